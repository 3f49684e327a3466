/* The organisation that the generator's logs tell about: accounts with their interfaces, and the
 * hosts outside. Everything follows from the seed by hashing, so that each object can be made
 * alone, in any process, and still tells of the same world. */
#pragma once

#include "base/ip.h"

#include <stdbool.h>
#include <stdint.h>

#define FLS_WORLD_INTERFACES_MIN 24U
#define FLS_WORLD_INTERFACES_MAX 64U
#define FLS_WORLD_CLIENT_OCTAVES 17U  /* 131,071 hosts on the internet */
#define FLS_WORLD_SCANNER_OCTAVES 13U /* 8,191 that scan */

enum fls_role {
    FLS_ROLE_WEB,
    FLS_ROLE_APP,
    FLS_ROLE_DATABASE,
    FLS_ROLE_CACHE,
    FLS_ROLE_QUEUE,
    FLS_ROLE_DNS,
    FLS_ROLE_BASTION,
    FLS_ROLE_CNT
};

/* One side of a flow. */
struct fls_endpoint {
    char text[FLS_IP_TEXT_MAX];
    uint8_t sz;
    const char *service; /* AWS's name of the service behind the address, or NULL */
};

/* The task of ECS behind an interface. */
struct fls_task {
    char cluster_arn[112], cluster[32], instance_arn[128], instance[40], container[48];
    char second_container[48], service[32], definition_arn[112], task_arn[144], task[40];
};

struct fls_interface {
    enum fls_role role;
    const char *type;
    char id[24], vpc[24], subnet[28], instance[24], az[16]; /* instance: "" where there is none */
    char instance_tag[32], instance_tag_2[32], tag[32], tag_2[32], group_tag[32], group_tag_2[32];
    struct fls_endpoint ipv4, ipv6;
    struct fls_endpoint pod; /* IPv4 of a pod or of a host behind a NAT gateway; sz 0: none */
    bool has_task;
    struct fls_task task;
};

struct fls_account {
    uint32_t number;
    uint32_t interface_cnt;
    char id[16], flow_log[24];
    const char *region;
    char gateway[28], attachment[36], peer_attachment[36]; /* the transit gateway */
    struct fls_interface interfaces[FLS_WORLD_INTERFACES_MAX];
};

/* Fills the account of this number. */
void fls_world_account(uint64_t seed, uint32_t number, struct fls_account *account);
/* The 12 digits of an account's id, with a NUL. */
void fls_world_account_id(uint64_t seed, uint32_t number, char id[static 16]);
uint32_t fls_world_interface_cnt(uint64_t seed, uint32_t account);
enum fls_role fls_world_role(uint64_t seed, uint32_t account, uint32_t interface);
/* The address of an interface of any account. */
void fls_world_own(uint64_t seed, uint32_t account, uint32_t interface, bool ipv6,
                   struct fls_endpoint *endpoint);
/* A host in the company's offices and data centres: one of 4,096 by rank. */
void fls_world_office(uint64_t seed, uint32_t rank, bool ipv6, struct fls_endpoint *endpoint);
/* The host of this rank on the internet; scanners are other hosts than clients. */
void fls_world_external(uint64_t seed, uint32_t rank, bool scanner, bool ipv6,
                        struct fls_endpoint *endpoint);
