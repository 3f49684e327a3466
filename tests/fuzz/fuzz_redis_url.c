/* Where Redis is: any text as a URL, and any text as its error reply. */
#include "base/redis.h"

#include "fuzz.h"

#include <errno.h>

static void check_good(const struct fls_redis_address *address, size_t url_sz)
{
    const char *const parts[] = {address->unix_path, address->host, address->user,
                                 address->password};
    size_t sum = 0;

    fuzz_check((address->unix_path == NULL) != (address->host == NULL));
    fuzz_check(address->port >= 1 && address->port <= 65535 && address->database >= 0);
    fuzz_check(address->host == NULL || address->host[0] != '\0');
    fuzz_check(address->unix_path == NULL || address->unix_path[0] == '/');
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        sum += parts[i] ? strlen(parts[i]) : 0;
    fuzz_check(sum < url_sz);
}

/* What messages show of an address is the same address, if no escapes were needed. */
static void check_text(const struct fls_redis_address *address, size_t text_max)
{
    const char *name = address->host ? address->host : address->unix_path;
    size_t sz = strlen(name) + 64;
    char *text = malloc(sz), *part = malloc(text_max + 1), error[256];
    struct fls_redis_address again;

    fuzz_check(text && part);
    fls_redis_address_text(address, part, text_max + 1);
    fuzz_check(strlen(part) <= text_max);
    fls_redis_address_text(address, text, sz);
    if (strcspn(name, "%?#/@[]") == strlen(name) ||
        (address->unix_path && strcspn(name, "%?") == strlen(name))) {
        fuzz_check(fls_redis_address_parse(text, &again, error, sizeof(error)) == 0);
        fuzz_check(strcmp(again.host ? again.host : again.unix_path, name) == 0);
        fuzz_check(again.port == address->port && again.database == address->database);
        fls_redis_address_fini(&again);
    }
    free(text);
    free(part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    struct fls_span input = {data, sz};
    size_t error_max = 1 + fuzz_take(&input, 1);
    char *url = (char *)fuzz_copy(input, 1), *error = malloc(error_max);
    struct fls_redis_address address;
    int status;

    fuzz_check(error != NULL);
    unsetenv("FLOWLOG_REDIS_PASSWORD_FILE");
    unsetenv("FLOWLOG_REDIS_PASSWORD");
    error[error_max - 1] = '\0';
    status = fls_redis_address_parse(url, &address, error, error_max);
    fuzz_check(status == 0 || status == -EINVAL);
    if (status == 0) {
        check_good(&address, strlen(url));
        check_text(&address, error_max);
        fls_redis_address_fini(&address);
    } else {
        fuzz_check(strlen(error) < error_max && (error_max == 1 || error[0] != '\0'));
    }
    fuzz_check(!address.unix_path && !address.host && !address.user && !address.password);
    fuzz_check(fls_redis_error(url, error, error_max) < 0 && strlen(error) < error_max);
    free(url);
    free(error);
    return 0;
}
