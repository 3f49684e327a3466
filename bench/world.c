#include "bench/world.h"

#include "bench/random.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* What a hash is for: the `kind` of fls_random_of. */
enum kind {
    KIND_ACCOUNT = 1,
    KIND_FLOW_LOG,
    KIND_COUNT,
    KIND_ROLE,
    KIND_INTERFACE,
    KIND_VPC,
    KIND_SUBNET,
    KIND_INSTANCE,
    KIND_TASK,
    KIND_POD,
    KIND_PREFIX,
    KIND_OFFICE,
    KIND_CLIENT,
    KIND_SCANNER,
    KIND_GATEWAY
};

#define VPCS_PER_ACCOUNT 2U
#define SUBNETS_PER_VPC 3U

static const struct {
    const char *name, *az;
} regions[] = {{"us-east-1", "use1-az"},
               {"eu-west-1", "euw1-az"},
               {"eu-central-1", "euc1-az"},
               {"us-west-2", "usw2-az"},
               {"ap-southeast-2", "apse2-az"}};

#define REGION_CNT (sizeof(regions) / sizeof(regions[0]))

static const char *const role_names[FLS_ROLE_CNT] = {"web",   "app", "database", "cache",
                                                     "queue", "dns", "bastion"};

/* Longer than needed: ids of AWS have 17 hexadecimal digits behind their prefix. */
static void make_id(char *out, size_t out_max, const char *prefix, uint64_t hash)
{
    snprintf(out, out_max, "%s-0%016llx", prefix, (unsigned long long)hash);
}

static uint64_t hash_of(uint64_t seed, enum kind kind, uint32_t account, uint32_t index)
{
    return fls_random_of(seed, (uint64_t)kind, ((uint64_t)account << 32) | index);
}

static char *put_octet(char *at, uint32_t value)
{
    if (value >= 100)
        *at++ = (char)('0' + value / 100);
    if (value >= 10)
        *at++ = (char)('0' + value / 10 % 10);
    *at++ = (char)('0' + value % 10);
    return at;
}

static void set_ipv4(struct fls_endpoint *endpoint, uint32_t address)
{
    char *at = endpoint->text;

    for (int shift = 24; shift >= 0; shift -= 8) {
        at = put_octet(at, (address >> shift) & 0xff);
        *at++ = shift ? '.' : 0;
    }
    endpoint->sz = (uint8_t)(at - 1 - endpoint->text);
    endpoint->service = NULL;
}

static void set_ipv6(struct fls_endpoint *endpoint, uint64_t high, uint64_t low)
{
    uint8_t bytes[16];

    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(high >> (56 - 8 * i));
        bytes[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    inet_ntop(AF_INET6, bytes, endpoint->text, sizeof(endpoint->text));
    endpoint->sz = (uint8_t)strlen(endpoint->text);
    endpoint->service = NULL;
}

void fls_world_account_id(uint64_t seed, uint32_t number, char id[static 16])
{
    /* The number in the low digits keeps ids apart; some begin with a zero, as AWS's do. */
    uint64_t hash = fls_random_of(seed, KIND_ACCOUNT, number) % 10000000;

    snprintf(id, 16, "%07llu%05u", (unsigned long long)hash, number % 100000);
}

uint32_t fls_world_interface_cnt(uint64_t seed, uint32_t account)
{
    uint64_t span = FLS_WORLD_INTERFACES_MAX - FLS_WORLD_INTERFACES_MIN + 1;

    return FLS_WORLD_INTERFACES_MIN + (uint32_t)(hash_of(seed, KIND_COUNT, account, 0) % span);
}

enum fls_role fls_world_role(uint64_t seed, uint32_t account, uint32_t interface)
{
    /* Of 16 interfaces: 5 web, 5 app, 2 database, 1 of each other role. */
    static const uint8_t roles[16] = {
        FLS_ROLE_WEB,   FLS_ROLE_WEB,     FLS_ROLE_WEB,      FLS_ROLE_WEB,
        FLS_ROLE_WEB,   FLS_ROLE_APP,     FLS_ROLE_APP,      FLS_ROLE_APP,
        FLS_ROLE_APP,   FLS_ROLE_APP,     FLS_ROLE_CACHE,    FLS_ROLE_DNS,
        FLS_ROLE_QUEUE, FLS_ROLE_BASTION, FLS_ROLE_DATABASE, FLS_ROLE_DATABASE};

    return roles[hash_of(seed, KIND_ROLE, account, interface) & 15];
}

void fls_world_own(uint64_t seed, uint32_t account, uint32_t interface, bool ipv6,
                   struct fls_endpoint *endpoint)
{
    uint32_t vpc = account * VPCS_PER_ACCOUNT + interface % VPCS_PER_ACCOUNT;
    uint32_t subnet = interface / VPCS_PER_ACCOUNT % SUBNETS_PER_VPC;

    if (ipv6) {
        uint64_t prefix = fls_random_of(seed, KIND_PREFIX, vpc) & 0xffffff;

        set_ipv6(endpoint, 0x26001f1000000000ULL | prefix << 8 | subnet,
                 hash_of(seed, KIND_INTERFACE, account, interface));
    } else {
        /* 10.VPC.SUBNET.HOST; from the 257th VPC on, networks overlap, as they do in the world. */
        set_ipv4(endpoint, 10U << 24 | (vpc & 0xff) << 16 | (subnet * 16 + vpc / 256 % 16) << 8 |
                               (interface + 10));
    }
}

void fls_world_office(uint64_t seed, uint32_t rank, bool ipv6, struct fls_endpoint *endpoint)
{
    uint64_t hash = fls_random_of(seed, KIND_OFFICE, rank & 0xfff);

    if (ipv6)
        set_ipv6(endpoint, 0xfd12345678900000ULL | (rank & 0xf), hash);
    else
        set_ipv4(endpoint, 172U << 24 | (16 + (rank & 7)) << 16 | (rank & 0xfff));
}

void fls_world_external(uint64_t seed, uint32_t rank, bool scanner, bool ipv6,
                        struct fls_endpoint *endpoint)
{
    static const uint8_t first[32] = {3,  5,   13,  18,  23,  31,  34,  35,  44,  45, 46,
                                      50, 52,  54,  62,  66,  77,  80,  81,  85,  88, 91,
                                      93, 104, 109, 128, 134, 141, 151, 178, 185, 217};
    static const uint64_t prefix[4] = {0x2a02000000000000ULL, 0x2001067000000000ULL,
                                       0x2400cb0000000000ULL, 0x2607f8b000000000ULL};
    static const char *const services[4] = {"S3", "DYNAMODB", "CLOUDFRONT", "AMAZON"};
    uint64_t hash = fls_random_of(seed, scanner ? KIND_SCANNER : KIND_CLIENT, rank);

    if (ipv6)
        set_ipv6(endpoint, prefix[hash & 3] | (hash >> 8 & 0xffffff) << 8, hash >> 40);
    else
        set_ipv4(endpoint, (uint32_t)first[hash & 31] << 24 | (uint32_t)(hash >> 32 & 0xffffff));
    if (!scanner && (hash >> 60) == 0)
        endpoint->service = services[hash >> 58 & 3];
}

static void make_task(uint64_t seed, const struct fls_account *account, uint32_t index,
                      struct fls_interface *interface)
{
    struct fls_task *task = &interface->task;
    uint64_t hash = hash_of(seed, KIND_TASK, account->number, index);
    const char *service = role_names[interface->role];
    char arn[64];

    snprintf(arn, sizeof(arn), "arn:aws:ecs:%s:%s", account->region, account->id);
    snprintf(task->cluster, sizeof(task->cluster), "cluster-%u", index % VPCS_PER_ACCOUNT);
    snprintf(task->cluster_arn, sizeof(task->cluster_arn), "%s:cluster/%s", arn, task->cluster);
    snprintf(task->instance, sizeof(task->instance), "%016llx%016llx",
             (unsigned long long)fls_random_mix(hash), (unsigned long long)hash);
    snprintf(task->instance_arn, sizeof(task->instance_arn), "%s:container-instance/%s", arn,
             task->instance);
    snprintf(task->container, sizeof(task->container), "%016llx-1", (unsigned long long)hash);
    snprintf(task->second_container, sizeof(task->second_container), "%016llx-2",
             (unsigned long long)hash);
    snprintf(task->service, sizeof(task->service), "%s-service", service);
    snprintf(task->definition_arn, sizeof(task->definition_arn), "%s:task-definition/%s:%u", arn,
             service, 1 + (unsigned)(hash & 31));
    snprintf(task->task, sizeof(task->task), "%016llx%016llx", (unsigned long long)hash,
             (unsigned long long)fls_random_mix(hash));
    snprintf(task->task_arn, sizeof(task->task_arn), "%s:task/%s/%s", arn, task->cluster,
             task->task);
    interface->has_task = true;
}

static void make_tags(uint32_t index, struct fls_interface *interface)
{
    const char *role = role_names[interface->role];

    snprintf(interface->instance_tag, sizeof(interface->instance_tag), "%s-%02u", role, index);
    snprintf(interface->instance_tag_2, sizeof(interface->instance_tag_2), "team%%20%u", index % 5);
    snprintf(interface->tag, sizeof(interface->tag), "%s%%2Fprimary", role);
    snprintf(interface->tag_2, sizeof(interface->tag_2), "cost%%3D%u", 1000 + index % 7);
    snprintf(interface->group_tag, sizeof(interface->group_tag), "%s-group", role);
    snprintf(interface->group_tag_2, sizeof(interface->group_tag_2), "production");
}

static void make_interface(uint64_t seed, uint32_t region, uint32_t index,
                           struct fls_account *account)
{
    struct fls_interface *interface = &account->interfaces[index];
    uint32_t number = account->number;
    uint32_t vpc = index % VPCS_PER_ACCOUNT, subnet = index / VPCS_PER_ACCOUNT % SUBNETS_PER_VPC;

    interface->role = fls_world_role(seed, number, index);
    make_id(interface->id, sizeof(interface->id), "eni",
            hash_of(seed, KIND_INTERFACE, number, index));
    make_id(interface->vpc, sizeof(interface->vpc), "vpc", hash_of(seed, KIND_VPC, number, vpc));
    make_id(interface->subnet, sizeof(interface->subnet), "subnet",
            hash_of(seed, KIND_SUBNET, number, vpc * SUBNETS_PER_VPC + subnet));
    snprintf(interface->az, sizeof(interface->az), "%s%u", regions[region].az, subnet + 1);
    fls_world_own(seed, number, index, false, &interface->ipv4);
    fls_world_own(seed, number, index, true, &interface->ipv6);
    interface->type = index % 8 == 7 ? "network_load_balancer" : "interface";
    if (index % 8 != 7) /* a load balancer is no instance */
        make_id(interface->instance, sizeof(interface->instance), "i",
                hash_of(seed, KIND_INSTANCE, number, index));
    if (index % 16 == 5) /* a pod's packets pass through its node's interface */
        set_ipv4(&interface->pod, 100U << 24 | 64U << 16 |
                                      (uint32_t)(hash_of(seed, KIND_POD, number, index) & 0xffff));
    if (index % 8 == 3)
        make_task(seed, account, index, interface);
    make_tags(index, interface);
}

void fls_world_account(uint64_t seed, uint32_t number, struct fls_account *account)
{
    uint64_t gateway = fls_random_of(seed, KIND_GATEWAY, 0);
    uint32_t region = (uint32_t)(fls_random_of(seed, KIND_ACCOUNT, number) >> 32) % REGION_CNT;

    memset(account, 0, sizeof(*account));
    account->number = number;
    account->region = regions[region].name;
    fls_world_account_id(seed, number, account->id);
    make_id(account->flow_log, sizeof(account->flow_log), "fl",
            fls_random_of(seed, KIND_FLOW_LOG, number));
    make_id(account->gateway, sizeof(account->gateway), "tgw", gateway);
    make_id(account->attachment, sizeof(account->attachment), "tgw-attach",
            hash_of(seed, KIND_GATEWAY, number, 1));
    make_id(account->peer_attachment, sizeof(account->peer_attachment), "tgw-attach",
            hash_of(seed, KIND_GATEWAY, number, 2));
    account->interface_cnt = fls_world_interface_cnt(seed, number);
    for (uint32_t i = 0; i < account->interface_cnt; i++)
        make_interface(seed, region, i, account);
}
