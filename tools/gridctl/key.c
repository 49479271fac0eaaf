// SPDX-License-Identifier: GPL-2.0
/*
 * Does this kernel have the key that signed a module?
 *
 * The signature names its key by issuer and serial number of the certificate
 * (modinfo's signer, sig_key).  /proc/keys lists certificates by subject and subject
 * key identifier, by the serial number only where there is no identifier.  What leads
 * from the one to the other is the certificate itself, where this machine has it:
 * dkms's, or those that are enrolled, which a boot with EFI leaves in sysfs.  A name
 * alone proves nothing: each machine's key of dkms has the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module.h"

/* Hex digits of a number or an identifier. */
struct id {
	char hex[129];
};

static const struct {
	const char *path;
	bool single; /* one certificate, and not a list of those enrolled */
} certificates[] = {
	{ "/var/lib/dkms/mok.pub", true },
	{ "/var/lib/shim-signed/mok/MOK.der", true },
	{ "/sys/firmware/efi/mok-variables/MokListRT", false },
};

/* The content of the element of DER at @p; NULL: another tag, or not whole. */
static const unsigned char *element(const unsigned char *p,
				    const unsigned char *end, unsigned char tag,
				    size_t *len)
{
	size_t n, bytes;

	if (end - p < 2 || p[0] != tag)
		return NULL;
	n = p[1];
	p += 2;
	if (n & 0x80) {
		bytes = n & 0x7f;
		if (bytes > 3 || (size_t)(end - p) < bytes)
			return NULL;
		for (n = 0; bytes; bytes--)
			n = n << 8 | *p++;
	}
	*len = n;
	return (size_t)(end - p) < n ? NULL : p;
}

static void to_id(const unsigned char *p, size_t len, struct id *id)
{
	size_t i;

	*id->hex = 0;
	/* A zero in front only says that the number is not negative. */
	for (; len && !*p; len--)
		p++;
	for (i = 0; i < len && i * 2 + 2 < sizeof(id->hex); i++)
		snprintf(id->hex + i * 2, 3, "%02x", p[i]);
}

/* As modinfo writes it, 3D:46:54, and as the kernel does. */
static void parse_id(const char *text, size_t len, struct id *id)
{
	size_t i, n = 0;

	while (len > 1 && !strncmp(text, "00", 2)) {
		text += 2;
		len -= 2;
		if (len && *text == ':') {
			text++;
			len--;
		}
	}
	for (i = 0; i < len && n + 1 < sizeof(id->hex); i++)
		if (text[i] != ':')
			id->hex[n++] = text[i] >= 'A' && text[i] <= 'F' ?
					       (char)(text[i] - 'A' + 'a') :
					       text[i];
	id->hex[n] = 0;
}

/* Is a certificate of that serial number at @p?  Then how the kernel lists it. */
static bool is_certificate(const unsigned char *p, const unsigned char *end,
			   const struct id *serial, struct id *listed)
{
	static const unsigned char oid[] = { 0x06, 0x03, 0x55, 0x1d, 0x0e };
	const unsigned char *tbs, *number, *value;
	size_t len;

	p = element(p, end, 0x30, &len);
	tbs = p ? element(p, p + len, 0x30, &len) : NULL;
	if (!tbs)
		return false;
	end = tbs + len;
	p = element(tbs, end, 0xa0, &len); /* the version */
	number = element(p ? p + len : tbs, end, 0x02, &len);
	if (!number)
		return false;
	to_id(number, len, listed);
	if (!*listed->hex || strcmp(listed->hex, serial->hex))
		return false;
	p = memmem(number, (size_t)(end - number), oid, sizeof(oid));
	value = p ? element(p + sizeof(oid), end, 0x04, &len) : NULL;
	value = value ? element(value, value + len, 0x04, &len) : NULL;
	if (value)
		to_id(value, len, listed);
	return true;
}

/* A certificate of that serial number anywhere in a file. */
static bool find_certificate(const char *path, const struct id *serial,
			     struct id *listed)
{
	unsigned char *data = malloc(1 << 16);
	FILE *f = data ? fopen(path, "re") : NULL;
	bool found = false;
	size_t n, i;

	n = f ? fread(data, 1, 1 << 16, f) : 0;
	for (i = 0; i < n && !found; i++)
		found = is_certificate(data + i, data + n, serial, listed);
	if (f)
		fclose(f);
	free(data);
	return found;
}

/* What follows "… asymmetri " in a line of /proc/keys: "[O: ]CN: ID: X509…". */
static bool has_name(const char *line, const char *name)
{
	const char *at = line, *id;

	while (*name && (at = strstr(at, name))) {
		id = at + strlen(name);
		if ((at == line || !strncmp(at - 2, ": ", 2)) &&
		    !strncmp(id, ": ", 2) &&
		    !strncmp(id + 2 + strspn(id + 2, "0123456789abcdef"), ": ",
			     2))
			return true;
		at = id;
	}
	return false;
}

static bool has_id(const char *line, const struct id *id)
{
	const char *at = line;
	struct id one;
	size_t len;

	while (*id->hex && (at = strstr(at, ": "))) {
		at += 2;
		len = strspn(at, "0123456789abcdef");
		parse_id(at, len, &one);
		if (!strncmp(at + len, ": ", 2) && !strcmp(one.hex, id->hex))
			return true;
	}
	return false;
}

enum module_key module_key_look(const struct module *m,
				const char **certificate)
{
	static const char key[] = " asymmetri ";
	bool any = false, name = false, there = false, known = false;
	struct id serial, listed;
	char line[1024], *at;
	size_t i;
	FILE *f;

	*certificate = NULL;
	parse_id(m->next_key, strlen(m->next_key), &serial);
	listed = serial;
	for (i = 0; *serial.hex && !known &&
		    i < sizeof(certificates) / sizeof(*certificates);
	     i++) {
		known = find_certificate(certificates[i].path, &serial,
					 &listed);
		if (known && certificates[i].single)
			*certificate = certificates[i].path;
	}
	if (!known)
		listed = serial;
	f = fopen("/proc/keys", "re");
	while (f && !there && fgets(line, sizeof(line), f)) {
		at = strstr(line, key);
		if (!at)
			continue;
		at += sizeof(key) - 1;
		any = true;
		name |= has_name(at, m->next_signer);
		there = has_id(at, &listed);
	}
	if (f)
		fclose(f);
	if (!any)
		return MODULE_KEY_UNSEEN;
	if (there)
		return MODULE_KEY_THERE;
	if (!name)
		return MODULE_KEY_NONE;
	return known ? MODULE_KEY_OTHER : MODULE_KEY_NAME;
}
