/* What stands in a ring's slots beside records: messages of any length, over as many slots as they
 * need.
 *
 *   first slot   0            4        8            56    61     62    64
 *                ├ payload_sz ┼ number ┼ payload ───┼ ... ┼ kind ┼ ... ┤
 *   further      payload, 64 bytes each
 *
 * Kinds and what they say (enum fls_kind):
 *   SYMBOL      number: its id; payload: the text. Ids are dense from 1, in order (0: absent).
 *   ATTRIBUTES  number: its id; payload: FLS_ATTRIBUTE_CNT symbols, 32 bits each. Dense from 0.
 *   BARRIER     number: FLS_BARRIER_LAST or 0. All records of the epoch's objects stand before it.
 *               Both sides forget symbols and attributes, and ids begin anew.
 *   RESULT      payload: what became of one object (shm/result.h).
 * A symbol stands in a ring before the attributes that use it, these before their first record. */
#pragma once

#include "base/span.h"
#include "shm/ring.h"

#define FLS_BARRIER_LAST 1U             /* nothing follows in this ring */
#define FLS_SYMBOL_ABSENT 0U            /* the empty text: the field is absent */
#define FLS_MESSAGE_SZ_MAX (256U << 20) /* bytes of a payload */

/* Puts a message into the next slots, waiting for room where the ring is full; returns nanoseconds
 * waited. It is handed over with what follows it, or by fls_producer_flush. */
uint64_t fls_message_put(struct fls_producer *producer, enum fls_kind kind, uint32_t number,
                         struct fls_span payload);
/* The same, and hands it over. */
uint64_t fls_message_write(struct fls_producer *producer, enum fls_kind kind, uint32_t number,
                           struct fls_span payload);

/* Puts messages together again on the consumer's side; zeroed: none begun. */
struct fls_message {
    enum fls_kind kind;
    uint32_t number;
    struct fls_span payload; /* valid until the next feed */
    uint8_t *buffer;
    size_t buffer_max, have_sz;
    bool is_partial;
};

static inline enum fls_kind fls_slot_kind(const struct fls_slot *slot)
{
    return (enum fls_kind)slot->bytes[offsetof(struct fls_flow, kind)];
}

/* Takes the next slot of a message; true when the message is whole. While is_partial is set, the
 * next slot of the ring belongs to the message, whatever it looks like. */
bool fls_message_feed(struct fls_message *message, const struct fls_slot *slot);
void fls_message_fini(struct fls_message *message);
