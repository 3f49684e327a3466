/* Own networks: what belongs to the organisation, by address. */
#pragma once

#include "base/ip.h"

/* True if the address is in 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10,
 * 169.254.0.0/16, fc00::/7 or fe80::/10. */
bool fls_own_contains(const struct fls_ip *ip);
