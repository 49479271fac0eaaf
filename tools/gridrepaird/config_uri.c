// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration: sources, as a URI or a path names them.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"

/*
 * What is wrong with an NBD URI, or NULL.  libnbd would say so only when it
 * connects, again and again.
 */
static const char *nbd_mistake(const char *uri)
{
	const char *rest = strstr(uri, "://") + 3, *host, *end, *port, *p;
	bool local = strstr(uri, "+unix://") == rest - 8;
	size_t len = strcspn(rest, "/?#");
	char *stop;
	unsigned long n;

	for (p = uri; *p; p++)
		if (isspace((unsigned char)*p) || iscntrl((unsigned char)*p))
			return "has a blank (%20)";
	p = strstr(rest, "socket=");
	if (local) {
		/* A user (of a TLS key) is no host. */
		if (len && rest[len - 1] != '@')
			return "has a host, and a socket: nbd+unix:///EXPORT?socket=PATH";
		if (!p || !strchr(rest, '?') || strchr(rest, '?') > p)
			return "names no socket: nbd+unix:///EXPORT?socket=PATH";
		p += strlen("socket=");
		return !*p || *p == '&' ? "names an empty socket" : NULL;
	}
	end = rest + len;
	host = memchr(rest, '@', len);
	host = host ? host + 1 : rest;
	if (*host == '[') {
		port = memchr(host, ']', (size_t)(end - host));
		if (!port)
			return "has an address whose bracket isn't closed";
		if (port == host + 1)
			return "names no host";
		port++;
		if (port < end && *port != ':')
			return "has something after its address: [ADDRESS]:PORT";
	} else {
		port = memchr(host, ':', (size_t)(end - host));
		if (!port)
			port = end;
		if (port == host)
			return "names no host";
		if (port < end &&
		    memchr(port + 1, ':', (size_t)(end - port - 1)))
			return "has an address of IPv6 without brackets: [ADDRESS]:PORT";
	}
	if (port == end)
		return NULL;
	n = strtoul(++port, &stop, 10);
	if (stop != end || stop == port || !isdigit((unsigned char)*port) ||
	    !n || n > 65535)
		return "has no port from 1 to 65535 after the colon";
	return NULL;
}

/* What an NBD URI without a mistake names: an export of a server. */
struct nbd_name {
	struct text {
		const char *at;
		size_t len;
	} host, socket, export;
	unsigned long port;
};

static struct nbd_name nbd_name(const char *uri)
{
	const char *rest = strstr(uri, "://") + 3, *p;
	size_t len = strcspn(rest, "/?#");
	struct nbd_name n = { .port = 10809 };

	p = memchr(rest, '@', len);
	n.host.at = p ? p + 1 : rest;
	n.host.len = strcspn(n.host.at, *n.host.at == '[' ? "]" : ":/?#");
	p = memchr(n.host.at + n.host.len, ':',
		   (size_t)(rest + len - n.host.at) - n.host.len);
	if (p)
		n.port = strtoul(p + 1, NULL, 10);
	n.export.at = rest + len + (rest[len] == '/');
	n.export.len = strcspn(n.export.at, "?#");
	p = strstr(n.export.at + n.export.len, "socket=");
	if (p && !n.host.len) {
		n.socket.at = p + strlen("socket=");
		n.socket.len = strcspn(n.socket.at, "&#");
	}
	return n;
}

/* The next character, where "%41" is "A". */
static int next_char(struct text *t)
{
	char code[3] = { 0 };

	if (t->at[0] == '%' && t->len > 2 &&
	    isxdigit((unsigned char)t->at[1]) &&
	    isxdigit((unsigned char)t->at[2])) {
		memcpy(code, t->at + 1, 2);
		t->at += 3;
		t->len -= 3;
		return (int)strtoul(code, NULL, 16);
	}
	t->len--;
	return (unsigned char)*t->at++;
}

static bool same_text(struct text a, struct text b)
{
	while (a.len && b.len)
		if (next_char(&a) != next_char(&b))
			return false;
	return a.len == b.len;
}

/* By another spelling, too; what is one by links shows when it is open. */
bool config_same_source(const struct config_source *a,
			const struct config_source *b)
{
	struct nbd_name x, y;

	if (a->kind != b->kind)
		return false;
	if (a->kind == SOURCE_FILE)
		return !strcmp(a->path, b->path);
	x = nbd_name(a->uri);
	y = nbd_name(b->uri);
	return x.port == y.port && x.host.len == y.host.len &&
	       !strncasecmp(x.host.at, y.host.at, x.host.len) &&
	       same_text(x.socket, y.socket) && same_text(x.export, y.export);
}

int config_add_source(struct config *c, struct config_device *d,
		      const char *uri)
{
	static const char *const schemes[] = {
		"nbd://",
		"nbds://",
		"nbd+unix://",
		"nbds+unix://",
	};
	struct config_source *s = &d->sources[d->source_count];
	const char *mistake = NULL;
	size_t i;

	if (d->source_count == POLICY_SOURCES_MAX)
		return config_fail(c, "more than %d sources",
				   POLICY_SOURCES_MAX);
	if (!*uri)
		return config_fail(c, "source is empty");
	*s = d->source_defaults;
	s->kind = SOURCE_FILE;
	for (i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (!strncmp(uri, schemes[i], strlen(schemes[i])))
			s->kind = SOURCE_NBD;
	if (s->kind == SOURCE_NBD)
		mistake = nbd_mistake(uri);
	if (mistake)
		return config_fail(c, "source %s %s", uri, mistake);
	if (s->kind == SOURCE_FILE && strstr(uri, "://") &&
	    strncmp(uri, "file://", 7))
		return config_fail(
			c,
			"source %s: unknown scheme (nbd://, nbds://, nbd+unix://, file:// or a path)",
			uri);
	/* "nbd:host:port", as QEMU writes it, "nbd:/x", "nbd+unix:x", "file:x". */
	if (s->kind == SOURCE_FILE && strncmp(uri, "file://", 7) &&
	    (!strncmp(uri, "nbd", 3) || !strncmp(uri, "file", 4)) &&
	    strcspn(uri, ":") < strcspn(uri, "/"))
		return config_fail(
			c,
			"source %s: no file by such a name is meant, is it? (nbd://HOST:PORT/EXPORT; ./NAME for a file)",
			uri);
	s->uri = strdup(uri);
	if (!s->uri)
		return config_fail(c, "out of memory");
	s->path = s->uri + (strncmp(uri, "file://", 7) ? 0 : 7);
	if (s->kind == SOURCE_FILE && !*s->path) {
		free(s->uri);
		s->uri = NULL;
		return config_fail(c, "source %s names no file", uri);
	}
	d->source_count++;
	return 0;
}
