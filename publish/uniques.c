#include "publish/uniques.h"

#include "enrich/own.h"
#include "publish/key_text.h"

static void look_at(struct fls_uniques_address *address, const struct fls_part_key *key)
{
    struct fls_ip ip = fls_key_address(key->a_high, key->a_low, key->flags & FLS_A_IS_IPV6);
    char text[FLS_IP_TEXT_MAX];
    struct fls_span element = {(const uint8_t *)text, (size_t)fls_ip_format(&ip, text)};

    *address = (struct fls_uniques_address){.key = *key,
                                            .hash = fls_hll_hash(element),
                                            .is_there = true,
                                            .is_own_network = fls_own_contains(&ip)};
}

/* An address is own if its network is; an IPv6 address also if it was on the interface's side, and
 * it is external where it was on the far side. What a row counts never becomes less when its marks
 * become more: so the parts of a row that gave way in between count as the whole would. */
void fls_uniques_add(struct fls_uniques *uniques, const struct fls_part_row *row, bool is_source,
                     struct fls_uniques_address *last)
{
    bool is_ipv6 = row->key.flags & FLS_A_IS_IPV6;

    if (!last->is_there || fls_part_key_compare(&last->key, &row->key) != 0)
        look_at(last, &row->key);
    if (last->is_own_network || (row->marks & FLS_MARK_OWN_SIDE))
        fls_hll_add_hash(&uniques->own_addresses, last->hash);
    if (is_source && !last->is_own_network && (!is_ipv6 || (row->marks & FLS_MARK_FAR_SIDE)))
        fls_hll_add_hash(&uniques->external_sources, last->hash);
}

void fls_uniques_merge(struct fls_uniques *to, const struct fls_uniques *from)
{
    fls_hll_merge(&to->external_sources, &from->external_sources);
    fls_hll_merge(&to->own_addresses, &from->own_addresses);
}
