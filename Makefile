# loyalty: a membership programme inside PostgreSQL. "make help" lists the targets.

# install order, dependency order, table of contents: a concept may use only
# those before it (loyalty and statement are the base of all)
CONCEPTS = amount wallet program unit collection campaign tier condition tag segment plan \
           benefit coupon topup cart lifecycle automation rule account journal message hold \
           decide store call member identity event checkout activity balance explain ingest guest attach \
           report dashboard maintenance worker template verify role

PG_CONFIG ?= $(firstword $(wildcard /usr/lib/postgresql/15/bin/pg_config) pg_config)
# make demo DATA=directory; PGXS would take the name for files to install
DEMO_DATA := $(or $(DATA),$(wildcard ../shared/data/online_retail_2010_2011))
override DATA =
# empty, for compilers that know warnings we do not
WERROR ?= -Werror
# some test files only, for one lane: make pgtap T=test/sql/wallet.sql
T =

EXTENSION = loyalty
LOYALTY_VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" loyalty.control)

# long concepts are cut into <concept>_<part>
concept_files = $(foreach c,$(CONCEPTS),$(wildcard $(1)/$(c)$(2)) $(sort $(wildcard $(1)/$(c)_*$(2))))
STATE_SQL = $(wildcard sql/state/loyalty.sql) $(call concept_files,sql/state,.sql)
CODE_SQL = $(wildcard sql/code/loyalty.sql) $(call concept_files,sql/code,.sql)
REPLAYED_SQL = sql/dump.sql $(CODE_SQL) sql/privilege.sql
STRAYS = $(filter-out src/loyalty.c src/statement.c $(call concept_files,src,.c) $(STATE_SQL) $(CODE_SQL), \
                      $(wildcard src/*.c sql/state/*.sql sql/code/*.sql))

MODULE_big = loyalty
OBJS = src/loyalty.o src/statement.o $(patsubst %.c,%.o,$(call concept_files,src,.c))
PG_CPPFLAGS = -DLOYALTY_VERSION=\"$(LOYALTY_VERSION)\"
# What -Wextra says about PostgreSQL's own ways: fcinfo that is not used, sizes
# compared with int, structs initialised by their first member.
PG_CFLAGS = -Wall -Wextra $(WERROR) -Wno-unused-parameter -Wno-sign-compare \
            -Wno-missing-field-initializers $(SANITIZE)
SHLIB_LINK = $(SANITIZE)
# Bitcode would let JIT inline our functions, which spend their time elsewhere.
override with_llvm = no

INSTALL_SQL = loyalty--$(LOYALTY_VERSION).sql
UPDATE_SQL = $(patsubst sql/update/%.sql,loyalty--%--$(LOYALTY_VERSION).sql,$(wildcard sql/update/*.sql))
DATA_built = $(INSTALL_SQL) $(UPDATE_SQL)

# Each file in a database of its own, the files in test/sql, the expected
# output in expected/, everything that is written below build/.
REGRESS = $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql))
REGRESS_OPTS = --inputdir=test --outputdir=build/regress --launcher='test/cluster fresh' \
               $(if $(filter-out 15,$(MAJORVERSION)),--expecteddir=build/regress)
REGRESS_PREP = regress-expected

EXTRA_CLEAN = build $(wildcard loyalty--*.sql) src/*.o src/*.bc src/dispatch/*.o loyalty-dispatch

all: ## build the library and the install script

install: ## copy both into PostgreSQL (DESTDIR= for elsewhere)

installcheck: ## run test/sql against your own server (PGHOST, PGPORT ...)

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
else
all install installcheck:
	@echo 'There are no PostgreSQL server headers for "$(PG_CONFIG)":' \
	      'run test/setup, or set PG_CONFIG.' >&2; exit 1
clean:
	rm -rf $(MODULE_big).so $(EXTRA_CLEAN)
endif

# The consumer of the outbox, a program of its own, where the headers of libpq,
# libcurl and OpenSSL are.
CURL_CONFIG ?= curl-config
DISPATCH_OBJS = $(patsubst %.c,%.o,$(wildcard src/dispatch/*.c))
DISPATCH_CPPFLAGS := -D_GNU_SOURCE -DLOYALTY_VERSION=\"$(LOYALTY_VERSION)\" \
                    -I$(includedir) $(shell $(CURL_CONFIG) --cflags 2>/dev/null)
DISPATCH_LIBS = $(or $(shell $(CURL_CONFIG) --libs 2>/dev/null),-lcurl) -L$(libdir) -lpq -lcrypto
DISPATCH_HEADERS = curl/curl.h libpq-fe.h openssl/hmac.h
DISPATCH := $(if $(wildcard $(PGXS)),$(shell $(CC) $(DISPATCH_CPPFLAGS) $(DISPATCH_HEADERS:%=-include %) \
                                            -E -x c /dev/null >/dev/null 2>&1 && echo loyalty-dispatch))

ifneq ($(DISPATCH),)
all: loyalty-dispatch

loyalty-dispatch: $(DISPATCH_OBJS)
	$(CC) $(CFLAGS) $^ $(LDFLAGS) $(LDFLAGS_EX) $(DISPATCH_LIBS) -o $@

$(DISPATCH_OBJS): %.o: %.c $(wildcard src/dispatch/*.h) loyalty.control Makefile
	$(CC) $(CFLAGS) $(DISPATCH_CPPFLAGS) -c $< -o $@

install: install-dispatch

install-dispatch: loyalty-dispatch
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) $< '$(DESTDIR)$(bindir)'

uninstall: uninstall-dispatch

uninstall-dispatch:
	rm -f '$(DESTDIR)$(bindir)/loyalty-dispatch'
endif

# PostgreSQL is usually configured without dependency tracking.
$(OBJS): $(wildcard src/*.h) loyalty.control Makefile | strays

$(INSTALL_SQL): sql/schema.sql $(STATE_SQL) $(REPLAYED_SQL) loyalty.control Makefile | strays
	cat sql/schema.sql $(STATE_SQL) $(REPLAYED_SQL) >$@

# An update changes the state by hand and replays the code.
loyalty--%--$(LOYALTY_VERSION).sql: sql/update/%.sql $(REPLAYED_SQL) loyalty.control Makefile | strays
	cat $< $(REPLAYED_SQL) >$@

# A file of no concept would silently be left out.
strays:
	@$(if $(strip $(STRAYS)),echo 'of no concept in CONCEPTS: $(strip $(STRAYS))' >&2; exit 1,:)

# A file without expected output, or one whose plan is not all ok, must not pass.
regress-expected:
	@! grep -H '^not ok\|^# Looks like' $(wildcard expected/*.out)
	@test/cluster expected build/regress/expected expected $(REGRESS)

expected: ## take the last results of installcheck and isolation as expected (review them first)
	@mkdir -p expected test/isolation/expected
	@for results in build/regress/results:expected build/isolation/results:test/isolation/expected; do \
	    [ ! -d "$${results%:*}" ] || cp -v "$${results%:*}"/*.out "$${results#*:}"; \
	done

# The lanes. They need no PGXS in this make, so that a bare machine can begin
# with "make test": ready installs what is missing and builds in a second make.
prepare:
	@test/setup
	@$(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$$(nproc)) all
	@$(MAKE) --no-print-directory install DESTDIR="$$(test/cluster stage)" >/dev/null

ready: $(if $(CLUSTER_ACTIVE)$(IS_READY),,prepare)

# Two lanes at a time, the longest first, each with a server of its own. pgtap is
# not among them: the same files with the same output are all ok, which the expected
# output says of itself (regress-expected).
TEST_LANES = script tap installcheck isolation
test: ready ## everything that must pass: script, tap, installcheck, isolation
	@rm -rf $(LANE_DIFFS)
	@$(MAKE) --no-print-directory IS_READY=1 -j2 -k --output-sync=target $(TEST_LANES:%=test-%) || \
	{ head -qn 200 $(LANE_DIFFS) 2>/dev/null; exit 1; }

$(TEST_LANES:%=test-%): test-%:
	@CLUSTER_NAME=$(or $(CLUSTER_NAME),test)-$* \
	test/cluster run $(MAKE) --no-print-directory -j1 -k $*

# What differs, told again behind all lanes, for where only the end of the output is
# kept.
LANE_DIFFS = build/regress/regression.diffs build/isolation/regression.diffs

# $(call lane,name,files,command that takes them)
lane = @files="$(or $(T),$(wildcard $(2)))"; \
       if [ -z "$$files" ]; then echo "== $(1): no tests in $(2)"; \
       else echo "== $(1)" && $(3); fi

pgtap: ready ## test/sql/*.sql by pg_prove, with what failed told test by test
	$(call lane,pgtap,test/sql/*.sql,\
	    test/cluster run test/cluster pgtap $$files)

isolation: ready ## test/isolation/specs/*.spec
	$(call lane,isolation,test/isolation/specs/*.spec,\
	    test/cluster run test/cluster isolation $$files)

tap: ready ## test/t/*.pl, which start servers of their own
	$(call lane,tap,test/t/*.pl,test/cluster tap prove --timer -Itest/t $$files)

# Two at a time, as no two use the same database; those that take minutes first.
LONG_SCRIPTS = $(addprefix test/check/,main_job fuzz two_years)
script: ready ## test/check/*, executables that print TAP
	$(call lane,script,$(LONG_SCRIPTS) $(filter-out $(LONG_SCRIPTS),$(wildcard test/check/*)),\
	    test/cluster run prove -j2 --timer -e '' $$files)

demo: ready ## a year of a real shop's orders (DATA=directory)
	@CLUSTER_NAME=demo DATA="$(DEMO_DATA)" test/cluster run test/demo/run

bench: ready ## measure against hand-written SQL, with default durability
	@test/bench/run

bench-bi: ready ## measure the reports on a million members
	@test/bench/bi

# In a copy, because the objects differ. Undefined behaviour aborts the backend.
# ASAN needs a PostgreSQL built for it (PG_CONFIG, SANITIZERS, CLUSTER_PRELOAD).
SANITIZERS = -fsanitize=undefined -fno-sanitize-recover=undefined -fno-wrapv
sanitize: ## pgtap, isolation and script with the undefined-behaviour sanitizer
	rm -rf build/sanitize && mkdir -p build/sanitize
	cp -R Makefile loyalty.control README.md CHANGELOG.md LICENSE sql src test doc build/sanitize
	rm -f build/sanitize/src/*.o build/sanitize/src/dispatch/*.o
	UBSAN_OPTIONS=print_stacktrace=1 CLUSTER_NAME=sanitize \
	$(MAKE) -C build/sanitize -j1 SANITIZE="$(SANITIZERS)" pgtap isolation script

format: ## clang-format the C files
	clang-format -i src/*.[ch] src/dispatch/*.[ch]

clean: stop-servers ## remove everything that was built

stop-servers:
	@[ ! -d build/sanitize ] || build/sanitize/test/cluster clean || true
	@[ ! -d build ] || test/cluster clean || true

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	while IFS='|' read -r target text; do printf '  %-14s%s\n' "$$target" "$$text"; done

.PHONY: all install install-dispatch uninstall-dispatch installcheck clean strays regress-expected expected prepare ready test $(TEST_LANES:%=test-%) pgtap isolation tap script demo bench bench-bi sanitize format stop-servers help
