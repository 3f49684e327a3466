/* The ring of shm/ring.c between producers and consumers that sleep without a limit.
 *
 * Each of PRODUCERS processes has one ring to each of CONSUMERS processes, and sends numbered
 * messages of one slot through it, in batches of any size: MESSAGES through the first ring, OTHERS
 * through each other one. Every process has one bell (shm/bell.c). Message number BARRIER and the
 * last one are barriers: a consumer that has one does not read that ring again until it has one of
 * every ring (shm/intake.c).
 *
 * Memory is weaker here than the program's machine: a store goes into a buffer of its process and
 * is seen by others some time later. Words leave the buffer in order; slots have a buffer of their
 * own, and only a release store waits for them. A sequentially consistent store waits until both
 * are empty. A process never loads what it stores itself, so nothing is looked up in buffers.
 *
 * Each atomic block has one access to what is shared, in the order of the program, and what is
 * local beside it.
 *
 * Properties (each an assert where it stands, or checked by spin in every state):
 *   P1  first in, first out, nothing lost, nothing twice: the n-th slot read is the n-th written.
 *   P2  indexes stay in bounds: 0 <= head - tail <= SLOTS, as each side sees them.
 *   P3  no wake-up is lost: sleeps have no limit here, and no state is a dead end before all
 *       messages have been read. This includes the bell that fls_consumer_release leaves out while
 *       more than half a ring is left, and consumers that stop at barriers.
 *   P4  nobody turns in circles: there is no cycle of states at all (-DNP), so every run ends.
 *
 * Breaks, each of which spin has to find (tests/system/test_model.py):
 *   HEAD_RELEASE, CONSUMER_WAITS_RELEASE, TAIL_RELEASE, PRODUCER_WAITS_RELEASE
 *                        one of the stores of (R1) (W2) (R2) (W1) is no more than release: P3
 *   HEAD_RELAXED         (R1) is relaxed: a slot is read before it is written: P1
 *   RELEASE_BEFORE_READ  slots are given back before they were read: P1
 *   CONSUMER_LOOKS_ONCE  the consumer sleeps without looking again after (W2): P3
 *   PRODUCER_LOOKS_ONCE  the producer sleeps without looking again after (W1): P3
 *   ANNOUNCE_ONE         a consumer of several rings announces its sleep on the first only: P3
 *   BELL_FORGETS         a bell that is rung before the sleep does not end it: P3
 *   HALF_EXACTLY         the producer is woken at half a ring, not at half or less: P3
 *   NO_SLEEP             a producer that finds its ring full looks again and again: P4
 * And one that it has to reach, or P3 would say less than it seems to:
 *   REACH_LEFT_OUT       a consumer sleeps at a barrier, more than half the ring is left, and the
 *                        producer sleeps though there is room */

#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef MESSAGES
#define MESSAGES 5
#endif
#ifndef OTHERS
#define OTHERS MESSAGES
#endif
#ifndef BARRIER
#define BARRIER MESSAGES
#endif

#define PROCESSES (PRODUCERS + CONSUMERS)
#define RINGS (PRODUCERS * CONSUMERS)
#define RING(producer, consumer) ((producer) * CONSUMERS + (consumer))
#define LAST_OF(ring) ((ring) == 0 -> MESSAGES : OTHERS)
#define IS_BARRIER(ring, number) ((number) == BARRIER || (number) == LAST_OF(ring))
#define MIN(a, b) ((a) < (b) -> (a) : (b))

/* ---- memory ---- */

#define HEAD 0           /* stored by the producer */
#define PRODUCER_WAITS 1 /* stored by the producer */
#define TAIL 2           /* stored by the consumer */
#define CONSUMER_WAITS 3 /* stored by the consumer */

byte word[4 * RINGS];     /* as others see them */
byte slot[RINGS * SLOTS]; /* the number of the message */
bool bell[PROCESSES];     /* an eventfd that is not zero */

#define LOAD(what, ring) word[(what) * RINGS + (ring)]

chan words[PROCESSES] = [RINGS + 1] of {byte, byte}; /* index of word[], value */
chan slots[PROCESSES] = [SLOTS] of {byte, byte};     /* index of slot[], value */

#define STORE_RELAXED(what, ring, value) words[me]!(what) * RINGS + (ring), value
#define STORE_SEQ_CST(what, ring, value) \
	len(words[me]) == 0 && len(slots[me]) == 0 -> LOAD(what, ring) = value

#ifdef HEAD_RELAXED
#define STORE_HEAD STORE_RELAXED
#define HEAD_IS_RELEASE false
#elif defined HEAD_RELEASE
#define STORE_HEAD STORE_RELAXED
#define HEAD_IS_RELEASE true
#else
#define STORE_HEAD STORE_SEQ_CST
#define HEAD_IS_RELEASE true
#endif
#ifdef CONSUMER_WAITS_RELEASE
#define STORE_CONSUMER_WAITS STORE_RELAXED
#else
#define STORE_CONSUMER_WAITS STORE_SEQ_CST
#endif
#ifdef TAIL_RELEASE
#define STORE_TAIL STORE_RELAXED
#else
#define STORE_TAIL STORE_SEQ_CST
#endif
#ifdef PRODUCER_WAITS_RELEASE
#define STORE_PRODUCER_WAITS STORE_RELAXED
#else
#define STORE_PRODUCER_WAITS STORE_SEQ_CST
#endif

/* What a process stored reaches the others. (HEAD is 0, so heads are the words below RINGS.) */
proctype store_buffer(byte me)
{
	byte index, value;

end:
	do
	:: d_step {
		len(slots[me]) > 0;
		do
		:: len(slots[me]) > 0 -> slots[me]?index, value; slot[index] = value
		:: else -> break
		od;
		index = 0; value = 0
	   }
	:: d_step {
		len(words[me]) > 0 && !(HEAD_IS_RELEASE && len(slots[me]) > 0) ->
		words[me]?index, value;
		word[index] = value; index = 0; value = 0
	   }
	od
}

/* fls_bell_wait, without its limit: poll returns, then the eventfd is read. */
inline bell_wait()
{
#ifdef BELL_FORGETS
	bell[me] = false;
#endif
	bell[me];
	bell[me] = false
}

/* ---- the producer ---- */

#define RING_TO RING(me, to)
#define USED (head[to] - tail_seen[to])

/* fls_producer_open, and how many slots are written at once: ingest/route.c fills a batch, or
 * as many as there is room for; shm/message.c writes one. Sets cnt; 0: the ring is full. */
inline producer_open()
{
	atomic {
		if
		:: USED == SLOTS ->
			tail_seen[to] = LOAD(TAIL, RING_TO); /* pairs with (R2) */
			assert(tail_seen[to] <= head[to] && USED <= SLOTS) /* P2 */
		:: else
		fi;
		cnt = MIN(SLOTS - USED, SLOTS - head[to] % SLOTS);
		cnt = MIN(cnt, LAST_OF(RING_TO) - head[to]);
		do
		:: cnt > 1 -> cnt--
		:: true -> break
		od
	}
}

inline producer_write()
{
	atomic {
		n = 0;
		do
		:: n < cnt ->
			slots[me]!RING_TO * SLOTS + (head[to] + n) % SLOTS, head[to] + n + 1;
			n++
		:: else -> n = 0; break
		od
	}
}

/* fls_producer_flush, of cnt slots */
inline producer_flush()
{
	atomic {
		STORE_HEAD(HEAD, RING_TO, head[to] + cnt); /* (R1) */
		head[to] = head[to] + cnt;
		cnt = 0
	};
	if
	:: LOAD(CONSUMER_WAITS, RING_TO) -> bell[PRODUCERS + to] = true /* pairs with (W2) */
	:: else
	fi
}

/* fls_producer_wait */
inline producer_wait()
{
	atomic { STORE_PRODUCER_WAITS(PRODUCER_WAITS, RING_TO, 1) }; /* (W1) */
	if
#ifdef NO_SLEEP
	:: true
#elif defined PRODUCER_LOOKS_ONCE
	:: true -> bell_wait()
#else
	:: LOAD(TAIL, RING_TO) == tail_seen[to] -> bell_wait()
	:: else
#endif
	fi;
	STORE_RELAXED(PRODUCER_WAITS, RING_TO, 0)
}

proctype producer(byte me)
{
	byte head[CONSUMERS], tail_seen[CONSUMERS];
	byte to, cnt, n;

	do
	:: atomic {
		if
		:: head[0] < LAST_OF(RING(me, 0)) -> to = 0
#if CONSUMERS > 1
		:: head[1] < LAST_OF(RING(me, 1)) -> to = 1
#endif
		:: else -> break
		fi
	   };
		do
		:: producer_open();
			if
			:: cnt > 0 -> break
			:: else -> producer_wait()
			fi
		od;
		producer_write();
		producer_flush()
	od
}

/* ---- the consumer ---- */

#define RING_FROM RING(from, me - PRODUCERS)
#define LEFT (head_seen[from] - tail[from])

/* fls_consumer_peek, and how many slots are taken at once: records that stand together, or one
 * message (drain_ring of aggregate/aggregate.c). Sets cnt; 0: the ring is empty. */
inline consumer_peek()
{
	atomic {
		if
		:: LEFT == 0 ->
			head_seen[from] = LOAD(HEAD, RING_FROM); /* pairs with (R1) */
			assert(tail[from] <= head_seen[from] && LEFT <= SLOTS) /* P2 */
		:: else
		fi;
		cnt = MIN(LEFT, SLOTS - tail[from] % SLOTS);
		n = 1; /* a barrier is taken by itself */
		do
		:: n < cnt && !IS_BARRIER(RING_FROM, tail[from] + 1) &&
		   !IS_BARRIER(RING_FROM, tail[from] + n + 1) -> n++
		:: else -> cnt = MIN(cnt, n); n = 0; break
		od;
		do
		:: cnt > 1 -> cnt--
		:: true -> break
		od
	}
}

/* Reads the first cnt slots. */
inline consumer_read(first)
{
	d_step {
		n = 0;
		do
		:: n < cnt ->
			assert(slot[RING_FROM * SLOTS + (first + n) % SLOTS] == first + n + 1); /* P1 */
			n++
		:: else -> n = 0; break
		od
	}
}

#ifdef HALF_EXACTLY
#define IS_DUE (LEFT == SLOTS / 2)
#else
#define IS_DUE (LEFT <= SLOTS / 2)
#endif

/* fls_consumer_release, of cnt slots */
inline consumer_release()
{
	atomic {
		STORE_TAIL(TAIL, RING_FROM, tail[from] + cnt); /* (R2) */
		tail[from] = tail[from] + cnt;
		assert(tail[from] <= head_seen[from]) /* P2 */
	};
	if
	:: IS_DUE && LOAD(PRODUCER_WAITS, RING_FROM) -> bell[from] = true /* pairs with (W1) */
	:: else
	fi
}

/* drain_ring of aggregate/aggregate.c, of ring `from`: until it is empty, at its barrier, or had
 * its turn */
inline drain_ring()
{
	do
	:: at_barrier[from] -> break
	:: else ->
		consumer_peek();
		if
		:: cnt == 0 -> break
		:: else
		fi;
#ifdef RELEASE_BEFORE_READ
		consumer_release();
		consumer_read(tail[from] - cnt);
#else
		consumer_read(tail[from]);
		consumer_release();
#endif
		atomic {
			at_barrier[from] = IS_BARRIER(RING_FROM, tail[from]); /* fls_intake_take_barrier */
			cnt = 0;
			taken = true;
			if
			:: PRODUCERS > 1 -> break
			:: true
			fi
		}
	od
}

#ifdef ANNOUNCE_ONE
#define IS_ANNOUNCED (!at_barrier[from] && from == 0)
#else
#define IS_ANNOUNCED (!at_barrier[from])
#endif

/* fls_intake_sleep, with fls_consumer_will_wait and fls_consumer_has_woken */
inline intake_sleep()
{
	atomic { may_sleep = true; from = PRODUCERS };
	do
	:: from > 0 ->
		from--;
		if
		:: IS_ANNOUNCED ->
			atomic { STORE_CONSUMER_WAITS(CONSUMER_WAITS, RING_FROM, 1) }; /* (W2) */
#ifndef CONSUMER_LOOKS_ONCE
			may_sleep = may_sleep && LOAD(HEAD, RING_FROM) == tail[from]
#endif
		:: else
		fi
	:: else -> break
	od;
	if
	:: may_sleep ->
#ifdef REACH_LEFT_OUT
		assert(!(at_barrier[0] && head_seen[0] - tail[0] > SLOTS / 2 &&
			 LOAD(PRODUCER_WAITS, 0) && LOAD(HEAD, 0) - LOAD(TAIL, 0) < SLOTS &&
			 !bell[0]));
#endif
		bell_wait()
	:: else
	fi;
	do
	:: from < PRODUCERS -> STORE_RELAXED(CONSUMER_WAITS, RING_FROM, 0); from++
	:: else -> atomic { from = 0; may_sleep = false; break }
	od
}

/* fls_intake_next_epoch: sets has_ended */
inline next_epoch()
{
	d_step {
		at_barrier[0] = tail[0] == LAST_OF(RING(0, me - PRODUCERS));
		has_ended = at_barrier[0];
#if PRODUCERS == 2
		at_barrier[1] = tail[1] == LAST_OF(RING(1, me - PRODUCERS));
		has_ended = has_ended && at_barrier[1]
#endif
	}
}

#if PRODUCERS == 2
#define IS_COMPLETE (at_barrier[0] && at_barrier[1]) /* fls_intake_is_complete */
#else
#define IS_COMPLETE at_barrier[0]
#endif

/* work of aggregate/aggregate.c; drain of publish/publish.c is the same. */
proctype consumer(byte me)
{
	byte tail[PRODUCERS], head_seen[PRODUCERS];
	bool at_barrier[PRODUCERS];
	byte from, cnt, n;
	bool taken, may_sleep, has_ended;

	do
	:: has_ended -> break
	:: else ->
		taken = false;
		do
		:: from < PRODUCERS -> drain_ring(); from++
		:: else -> from = 0; break
		od;
		if
		:: IS_COMPLETE -> next_epoch()
		:: !IS_COMPLETE && taken
		:: else -> intake_sleep()
		fi
	od
}

init
{
	byte i;

	atomic {
		for (i : 0 .. PROCESSES - 1) {
			run store_buffer(i)
		}
		for (i : 0 .. PROCESSES - 1) {
			if
			:: i < PRODUCERS -> run producer(i)
			:: else -> run consumer(i)
			fi
		}
	}
}
