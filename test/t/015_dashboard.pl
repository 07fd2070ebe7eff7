# The pages as a browser shows them: nothing overlaps, nothing sticks out,
# nothing is fetched, nothing is complained about. Headless Chromium, on a phone
# and on a desk, with names that no designer would think of.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IPC::Run;
use JSON::PP;
use LoyaltyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($chromium) = grep { -x } map { my $dir = $_; map { "$dir/$_" } qw(chromium chromium-browser google-chrome) }
  split /:/, $ENV{PATH};
plan skip_all => 'Chromium is not here (test/setup installs it)' unless $chromium;

# below build/, where people can look at them
my $dir = "$PostgreSQL::Test::Utils::tmp_check/dashboard";
mkdir $dir;
my $profile = PostgreSQL::Test::Utils::tempdir();
$ENV{HOME} = $profile;
delete @ENV{qw(http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY)};

#
# A browser
#

# What it prints, and what it says on the way.
sub browse
{
    my ($width, $file, @options) = @_;
    my ($out, $err) = ('', '');

    IPC::Run::run([ $chromium, qw(--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage
              --hide-scrollbars --no-first-run --disable-background-networking --disable-component-update
              --disable-sync --enable-logging=stderr --v=0), '--host-resolver-rules=MAP * ~NOTFOUND',
            "--user-data-dir=$profile/chromium", "--window-size=$width,1400", @options, "file://$file" ],
        '>', \$out, '2>', \$err, IPC::Run::timeout(120));
    return ($out, join "\n", grep { /CONSOLE/ } split /\n/, $err);
}

# Runs in a copy of the page that lets it run. Text may be cut where the whole
# of it is told when pointed at; it may stick out of a box that scrolls.
my $checker = <<'JS';
<script>
//<![CDATA[
window.addEventListener('load', function () {
	var faults = [], texts = [], area = ['.card', '.tile', 'header', 'footer', 'section'];
	function fault(what, text) { faults.push(what + ': ' + String(text).trim().slice(0, 60)); }
	document.querySelectorAll('details').forEach(function (d) { d.open = location.hash === '#open'; });
	if (document.documentElement.scrollWidth > innerWidth) { fault('page is wider than the window', document.documentElement.scrollWidth); }
	var walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), node;
	while ((node = walker.nextNode())) {
		var element = node.parentElement;
		if (!node.data.trim() || element.closest('script, style, caption, svg title, svg desc')) { continue; }
		var range = document.createRange();
		range.selectNodeContents(node);
		var rects = Array.from(range.getClientRects()).filter(function (r) { return r.width > 0 && r.height > 0; });
		if (!rects.length) { continue; }
		var clip = element.closest('.clip'), scroll = element.closest('.scroll');
		if (clip && !clip.title && clip.scrollWidth > clip.clientWidth) { fault('cut and not told', node.data); }
		var box = element.closest(area.join(','));
		rects.forEach(function (r) {
			var b = box ? box.getBoundingClientRect() : null;
			if (clip) { var c = clip.getBoundingClientRect(); r = { left: r.left, top: r.top, bottom: r.bottom, right: Math.min(r.right, c.right) }; }
			if (!scroll && (r.left < -0.5 || r.right > innerWidth + 0.5)) { fault('outside the window', node.data); }
			if (!scroll && b && (r.left < b.left - 1 || r.right > b.right + 1 || r.top < b.top - 1 || r.bottom > b.bottom + 1)) {
				fault('outside its card', node.data);
			}
			texts.push({ rect: r, box: scroll || box, data: node.data, element: element });
		});
	}
	document.querySelectorAll('h1, h2, h3, p, li, dd, .num, .tile, .card').forEach(function (e) {
		if (getComputedStyle(e).textOverflow !== 'ellipsis' && e.scrollWidth > e.clientWidth + 1 && e.clientWidth) { fault('overflows', e.textContent); }
	});
	for (var i = 0; i < texts.length; i++) {
		for (var k = i + 1; k < texts.length; k++) {
			var a = texts[i].rect, b = texts[k].rect;
			if (texts[i].box === texts[k].box && texts[i].element !== texts[k].element
				&& Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
				&& Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3) {
				fault('overlap', texts[i].data + ' / ' + texts[k].data);
			}
		}
	}
	parent.postMessage(JSON.stringify({ width: innerWidth, texts: texts.length, faults: faults.slice(0, 8),
		fetched: performance.getEntriesByType('resource').map(function (e) { return e.name; }) }), '*');
});
//]]>
</script>
JS

# Around it, because no window is as narrow as a phone; keeps what the checker found.
my $frame = <<'HTML';
<!DOCTYPE html><style>body{margin:0}iframe{border:0}</style>
<script>addEventListener('message', function (message) {
	var result = document.createElement('pre');
	result.id = 'result';
	result.textContent = message.data;
	document.body.appendChild(result);
});</script>
<iframe src="examined.html%s" width="%d" height="1400"></iframe>
HTML

# What the checker found.
sub examine
{
    my ($width, $html, $hash) = @_;
    my $file = "$dir/examined.html";
    my $around = "$dir/frame.html";

    $html =~ s/<meta http-equiv="Content-Security-Policy"[^>]*>//;
    $html =~ s/<\/body>/$checker<\/body>/;
    unlink $file, $around;
    append_to_file($file, $html);
    append_to_file($around, sprintf $frame, $hash // '', $width);
    my ($dom) = browse(1600, $around, '--dump-dom', '--virtual-time-budget=3000');
    my ($json) = $dom =~ m{<pre id="result">(.*?)</pre>}s or return { faults => ['no result'], fetched => [], texts => 0 };
    $json =~ s/&lt;/</g;
    $json =~ s/&gt;/>/g;
    $json =~ s/&amp;/&/g;
    return decode_json($json);
}

#
# Pages of a shop that has everything, under names that are hard to bear
#

my $node = new_node('main');
create_shop($node, 'shop');
$node->safe_psql('shop', <<'SQL');
CREATE TEMP TABLE hard AS SELECT '</title></style><script>alert(1)</script><img src=http://example.com/x onerror=alert(2)>&amp;"'
    || repeat('Donaudampfschifffahrt', 6) || chr(8238) || chr(128169) || repeat('会员', 30) || chr(1) AS name;
UPDATE loyalty.tier SET title = code || name FROM hard;
UPDATE loyalty.campaign SET title = hard.name FROM hard;
UPDATE loyalty.coupon SET title = hard.name FROM hard;
UPDATE loyalty.tag SET title = hard.name FROM hard;
UPDATE loyalty.plan SET title = hard.name FROM hard;
UPDATE loyalty.benefit SET title = hard.name FROM hard;
SELECT loyalty.program_create('<b>Ещё один очень длинный магазин "на углу" & вокруг</b>', 'EUR', 'Europe/Berlin');
SQL

my %pages = (
    dashboard_en => q{loyalty.dashboard('shop', NULL, clock_day())},
    dashboard_zh => q{loyalty.dashboard('shop', NULL, clock_day(), 'zh')},
    dashboard_days => q{loyalty.dashboard('shop', clock_day() - 29, clock_day())},
    dashboard_empty => q{loyalty.dashboard((SELECT name FROM loyalty.program WHERE name LIKE '<b>%'))},
    card_en => q{loyalty.member_card((SELECT member_id FROM loyalty.account ORDER BY purchases DESC, member_id LIMIT 1))},
    card_zh => q{loyalty.member_card((SELECT member_id FROM loyalty.member_coupon ORDER BY member_id LIMIT 1), 'zh')},
);
$node->safe_psql('shop', <<'SQL');
CREATE FUNCTION clock_day() RETURNS date LANGUAGE sql AS 'SELECT max(effective_at)::date FROM loyalty.journal';
SQL

for my $name (sort keys %pages)
{
    my $html = $node->safe_psql('shop', "SELECT $pages{$name}");
    my $file = "$dir/$name.html";

    unlink $file;
    append_to_file($file, $html);
    for my $width (390, 1440)
    {
        my $png = "$dir/${name}_$width.png";
        my (undef, $console) = browse($width, $file, "--screenshot=$png");
        is($console, '', "$name $width: nothing on the console");
        ok(-s $png, "$name $width: a picture is in $png");
        for my $hash ('', '#open')
        {
            my $found = examine($width, $html, $hash);
            my $what = "$name $width" . ($hash ? ', tables open' : '');
            is($found->{width}, $width, "$what: shown as wide as that");
            is_deeply($found->{faults}, [], "$what: nothing overlaps or sticks out");
            is_deeply($found->{fetched}, [], "$what: nothing was fetched");
            cmp_ok($found->{texts}, '>', 20, "$what: there was something to look at");
        }
    }
}

#
# The checks can fail
#

my $html = slurp_file("$dir/dashboard_en.html");
(my $long = $html) =~ s{(<p class="num"[^>]*>)}{$1 . 'W' x 60}e;
isnt("@{examine(390, $long)->{faults}}", '', 'a figure that is too long is seen');
(my $over = $html) =~ s{(<text x="-10" y=")[\d.]+}{${1}20.0}g;
like("@{examine(1440, $over)->{faults}}", qr/overlap/, 'labels over each other are seen');
(my $image = $html) =~ s{</main>}{<img src="http://example.com/x.png"/></main>};
like("@{examine(1440, $image)->{fetched}}", qr/example\.com/, 'a request is seen');
(my $script = $html) =~ s{</main>}{<script>document.title = 'ran'</script></main>};
append_to_file("$dir/script.html", $script);
my ($dom, $console) = browse(1440, "$dir/script.html", '--dump-dom');
like($console, qr/Content Security Policy/, 'a script is complained about');
unlike($dom, qr{<title>ran</title>}, 'and does not run');
unlink map { "$dir/$_.html" } qw(script examined frame);

#
# Other encodings: ASCII only
#

my %name_in = (LATIN1 => q{convert_from('\x436166e9', 'LATIN1')}, SQL_ASCII => q{E'\xe8\x8c\xb6\xff'});
my %shown = (LATIN1 => qr/Caf&#xe9;/, SQL_ASCII => qr/&#x8336;&#xfffd;/);

for my $encoding (sort keys %name_in)
{
    my $db = lc "in_$encoding";
    $node->safe_psql('postgres', "CREATE DATABASE $db ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    $node->safe_psql($db, 'CREATE EXTENSION loyalty');
    $node->safe_psql($db, "SELECT loyalty.program_create($name_in{$encoding}, 'EUR', 'UTC', 'empty')");
    my $page = $node->safe_psql($db, "SELECT loyalty.dashboard($name_in{$encoding}, language => 'zh')");
    unlike($page, qr/[^\x00-\x7f]/, "$encoding: nothing but ASCII");
    like($page, $shown{$encoding}, "$encoding: the name is right");
    like($page, qr/&#x4f1a;&#x5458;/, "$encoding: and so are our words");
}

$node->stop;
done_testing();
