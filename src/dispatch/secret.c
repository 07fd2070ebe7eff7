/*
 * The secrets, and what is signed with them.
 *
 * There may be several, so that a receiver can be given a new one before the
 * old one ends: every request is then signed with each.
 */
#include "dispatch.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_VARIABLE "LOYALTY_DISPATCH_SECRET"
#define SECRETS_MAX 4
#define SECRET_MIN 16
#define TEXT_MAX 4096

typedef struct Secrets
{
	int	   n;
	char  *start[SECRETS_MAX];
	size_t length[SECRETS_MAX];
	char   text[TEXT_MAX + 1];
} Secrets;

static const char *secret_file;
static Secrets	   secrets;

/*
 * Reads the file into text, of TEXT_MAX + 1 bytes. Returns what is wrong with
 * it, NULL if nothing.
 */
static const char *
read_file(const char *file, char *text)
{
	struct stat facts;
	ssize_t		length = 0;
	ssize_t		more;
	int			fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) &&
		(facts.st_mode & S_IRWXO) != 0)
	{
		close(fd);
		return "other users may read or write it; chmod o= it";
	}
	while ((more = read(fd, text + length, TEXT_MAX - length)) > 0)
		length += more;
	close(fd);
	if (more < 0)
		return strerror(errno);
	if (length == TEXT_MAX)
		return "it is too long";
	text[length] = '\0';
	return strlen(text) == (size_t) length ? NULL : "it has a zero byte";
}

/* Cuts found->text into lines. Returns what is wrong, NULL if nothing. */
static const char *
split(Secrets *found)
{
	char *rest = found->text;
	char *line;

	found->n = 0;
	while ((line = strsep(&rest, "\r\n")) != NULL)
	{
		if (*line == '\0')
			continue;
		if (strlen(line) < SECRET_MIN)
			return "a secret has fewer than 16 characters";
		if (found->n == SECRETS_MAX)
			return "there are more than 4 secrets";
		found->start[found->n] = line;
		found->length[found->n++] = strlen(line);
	}
	return found->n > 0 ? NULL : "there is no secret";
}

static const char *
read_secrets(Secrets *found)
{
	const char *value = getenv(SECRET_VARIABLE);

	if (secret_file != NULL)
	{
		const char *fault = read_file(secret_file, found->text);

		return fault != NULL ? fault : split(found);
	}
	if (value == NULL)
		return "it is not set, and there is no --secret-file";
	if (strlen(value) > TEXT_MAX)
		return "it is too long";
	strcpy(found->text, value);
	return split(found);
}

static const char *
source(void)
{
	return secret_file != NULL ? secret_file : SECRET_VARIABLE;
}

/* Reads the secrets, or ends the program. */
void
secret_init(const char *file)
{
	const char *fault;

	secret_file = file;
	fault = read_secrets(&secrets);
	if (fault != NULL)
		fatal("%s: %s", source(), fault);
}

/* Reads them again; what cannot be read leaves the old ones. */
void
secret_reload(void)
{
	Secrets		found;
	const char *fault = read_secrets(&found);
	int			i;

	if (fault != NULL)
		log_line("%s: %s; the old secrets stay", source(), fault);
	else
	{
		secrets = found;
		for (i = 0; i < secrets.n; i++)
			secrets.start[i] = secrets.text + (found.start[i] - found.text);
		log_line("%s: read again, secrets: %d", source(), secrets.n);
	}
	OPENSSL_cleanse(&found, sizeof(found));
}

void
secret_forget(void)
{
	OPENSSL_cleanse(&secrets, sizeof(secrets));
}

/*
 * The header that signs text, which begins with the time at: to be freed. A
 * signature that cannot be made ends the program; nothing leaves it unsigned.
 */
char *
secret_sign(const char *text, size_t length, int64_t at)
{
	const size_t size = 64 + SECRETS_MAX * (4 + 2 * EVP_MAX_MD_SIZE);
	char		*header = must(malloc(size));
	size_t		 end = snprintf(header, size, "Loyalty-Signature: t=%lld",
								(long long) at);
	int			 i;

	for (i = 0; i < secrets.n; i++)
	{
		unsigned char mac[EVP_MAX_MD_SIZE];
		unsigned int  mac_length = 0;
		unsigned int  byte;

		if (HMAC(EVP_sha256(), secrets.start[i], (int) secrets.length[i],
				 (const unsigned char *) text, length, mac,
				 &mac_length) == NULL)
			fatal("cannot sign a message");
		end += snprintf(header + end, size - end, ",v1=");
		for (byte = 0; byte < mac_length; byte++)
			end += snprintf(header + end, size - end, "%02x", mac[byte]);
	}
	return header;
}
