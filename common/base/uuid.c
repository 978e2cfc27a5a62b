/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUID version 5 through OpenSSL's SHA-1, which uses the processor's SHA
 * instructions. The algorithm is fetched once a process and the context kept for
 * each thread (freed when the thread ends), because both cost more than the hash.
 */
#include "common/base/uuid.h"

#include <openssl/evp.h>
#include <pthread.h>

#include "common/base/memory.h"
#include "common/base/must.h"

#define SHA1_BYTES 20

const unsigned char tally_uuid_namespace[16] = { 0xd8, 0x3e, 0x60, 0x0e, 0x3f, 0x77, 0x43, 0x76,
	                                         0x8e, 0x4e, 0x62, 0xcf, 0x72, 0x18, 0x7a, 0x73 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t context_key;
static EVP_MD *sha1;
static _Thread_local EVP_MD_CTX *context;

static void free_context(void *of_thread)
{
	EVP_MD_CTX_free(of_thread);
}

static void set_up(void)
{
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	must(sha1 != NULL);
	must(pthread_key_create(&context_key, free_context) == 0);
}

static EVP_MD_CTX *new_context(void)
{
	pthread_once(&once, set_up);
	context = EVP_MD_CTX_new();
	if (!context)
		memory_out(0);
	must(pthread_setspecific(context_key, context) == 0);
	must(EVP_DigestInit_ex2(context, sha1, NULL) == 1);
	return context;
}

struct uuid_text uuid_v5(const unsigned char namespace_id[16], struct str name)
{
	static const char hex_digits[] = "0123456789abcdef";
	EVP_MD_CTX *ctx = context ? context : new_context();
	unsigned char digest[SHA1_BYTES];
	struct uuid_text uuid;
	char *at = uuid.text;

	must(EVP_DigestInit_ex2(ctx, NULL, NULL) == 1);
	must(EVP_DigestUpdate(ctx, namespace_id, 16) == 1);
	must(EVP_DigestUpdate(ctx, name.ptr, name.len) == 1);
	must(EVP_DigestFinal_ex(ctx, digest, NULL) == 1);
	digest[6] = (unsigned char)((digest[6] & 0x0f) | 0x50); /* version 5 */
	digest[8] = (unsigned char)((digest[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = hex_digits[digest[i] >> 4];
		*at++ = hex_digits[digest[i] & 15];
	}
	return uuid;
}
