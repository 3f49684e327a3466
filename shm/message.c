#include "shm/message.h"

#include "base/array.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_AT 8U
#define FIRST_SZ 48U

uint64_t fls_message_put(struct fls_producer *producer, enum fls_kind kind, uint32_t number,
                         struct fls_span payload)
{
    uint32_t payload_sz = (uint32_t)payload.sz;
    struct fls_slot *slot;
    uint64_t waited_ns = fls_producer_await(producer, &slot);
    size_t sz = payload.sz < FIRST_SZ ? payload.sz : FIRST_SZ;

    fls_assert(payload.sz <= FLS_MESSAGE_SZ_MAX);
    memset(slot, 0, sizeof(*slot));
    memcpy(slot->bytes, &payload_sz, sizeof(payload_sz));
    memcpy(slot->bytes + 4, &number, sizeof(number));
    if (sz)
        memcpy(slot->bytes + FIRST_AT, payload.at, sz);
    slot->bytes[offsetof(struct fls_flow, kind)] = (uint8_t)kind;
    for (size_t done = sz; done < payload.sz; done += sz) {
        waited_ns += fls_producer_await(producer, &slot);
        sz = payload.sz - done < FLS_SLOT_SZ ? payload.sz - done : FLS_SLOT_SZ;
        memcpy(slot->bytes, payload.at + done, sz);
    }
    return waited_ns;
}

uint64_t fls_message_write(struct fls_producer *producer, enum fls_kind kind, uint32_t number,
                           struct fls_span payload)
{
    uint64_t waited_ns = fls_message_put(producer, kind, number, payload);

    fls_producer_flush(producer);
    return waited_ns;
}

static void begin(struct fls_message *message, const struct fls_slot *slot)
{
    uint32_t payload_sz;

    memcpy(&payload_sz, slot->bytes, sizeof(payload_sz));
    memcpy(&message->number, slot->bytes + 4, sizeof(message->number));
    fls_assert(payload_sz <= FLS_MESSAGE_SZ_MAX);
    message->kind = fls_slot_kind(slot);
    fls_array_reserve(message->buffer, message->buffer_max, payload_sz);
    message->payload = (struct fls_span){message->buffer, payload_sz};
    message->have_sz = 0;
}

bool fls_message_feed(struct fls_message *message, const struct fls_slot *slot)
{
    const uint8_t *from = slot->bytes;
    size_t slot_sz = FLS_SLOT_SZ, sz;

    if (!message->is_partial) {
        begin(message, slot);
        from += FIRST_AT;
        slot_sz = FIRST_SZ;
    }
    sz = message->payload.sz - message->have_sz;
    sz = sz < slot_sz ? sz : slot_sz;
    if (sz)
        memcpy(message->buffer + message->have_sz, from, sz);
    message->have_sz += sz;
    message->is_partial = message->have_sz < message->payload.sz;
    return !message->is_partial;
}

void fls_message_fini(struct fls_message *message)
{
    free(message->buffer);
    *message = (struct fls_message){0};
}
