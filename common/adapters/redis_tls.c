/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SSL_CTX a connection object, one SSL a connection.
 */
#include "common/adapters/redis_tls.h"

#include <arpa/inet.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"

struct redis_tls {
	const struct redis_options *options;
	SSL_CTX *context;
};

static struct rc fail_tls(const char *what)
{
	char words[256] = "";
	unsigned long code = ERR_get_error();

	ERR_error_string_n(code, words, sizeof(words));
	ERR_clear_error();
	return rc_fail(RC_CONFIG, "Redis: TLS: %s: %s", what, words);
}

static struct rc read_files(struct redis_tls *tls)
{
	const struct redis_options *options = tls->options;

	if (options->tls_ca &&
	    SSL_CTX_load_verify_locations(tls->context, options->tls_ca, NULL) != 1)
		return fail_tls("the CA file");
	if (!options->tls_ca && SSL_CTX_set_default_verify_paths(tls->context) != 1)
		return fail_tls("the machine's CA files");
	if (!options->tls_cert)
		return OK;
	if (SSL_CTX_use_certificate_chain_file(tls->context, options->tls_cert) != 1)
		return fail_tls("the certificate file");
	if (SSL_CTX_use_PrivateKey_file(tls->context, options->tls_key, SSL_FILETYPE_PEM) != 1)
		return fail_tls("the key file");
	return OK;
}

struct rc redis_tls_new(const struct redis_options *options, struct redis_tls **out)
{
	struct redis_tls *tls = memory_new(sizeof(*tls));
	struct rc rc;

	tls->options = options;
	tls->context = SSL_CTX_new(TLS_client_method());
	must(tls->context);
	SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
	SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
	rc = read_files(tls);
	if (!rc_ok(rc)) {
		redis_tls_free(tls);
		return rc;
	}
	*out = tls;
	return OK;
}

void redis_tls_free(struct redis_tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->context);
	free(tls);
}

static bool is_address(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* The name that the certificate has to bear. */
static bool expect_name(SSL *ssl, const char *name)
{
	if (is_address(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct rc redis_tls_start(struct redis_tls *tls, redisContext *connection, const char *host)
{
	const char *name = tls->options->tls_server_name ? tls->options->tls_server_name : host;
	SSL *ssl = SSL_new(tls->context);

	must(ssl);
	if (!expect_name(ssl, name)) {
		SSL_free(ssl);
		return fail_tls("the server's name");
	}
	if (redisInitiateSSL(connection, ssl) == REDIS_OK)
		return OK; /* the connection owns it now */
	SSL_free(ssl);
	return rc_fail(RC_UNAVAILABLE, "Redis: TLS: %s", connection->errstr);
}
