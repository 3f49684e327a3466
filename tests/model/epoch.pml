/* The epochs of a run: supervisor, INGESTS ingests, SHARDS shards and publish, with the rings and
 * channels between them, from the first object handed out to the last one counted.
 *
 * What each process does is named after the function of the program that does it. A ring is a
 * channel of SLOTS messages here: tests/model/ring.pml shows that it is one, and that nobody
 * sleeps through what he waits for; a producer that found its ring full goes on when at most half
 * of it is left, which is when it is woken at the latest. Sleeps have no limit. What a producer
 * keeps back for a while, to hand it over with more, it pushes later here: it keeps back nothing
 * when it sleeps or has pushed a barrier.
 *
 * OBJECTS objects have RECORDS records each, which go to the shards in turn. Records are numbered;
 * a segment is the set of their numbers. DAMAGED is the set of objects that fail after their first
 * record was pushed, REFUSED of those that fail before.
 *
 * A worker's death ends the generation at whatever point it is, and the next one begins with what
 * the ledger holds and nothing else (a step of a process that outlives another for a moment is a
 * step before the death). So it comes to the same whether a generation begins after a death, after
 * a stop, or as a new run; ANY_LEDGER begins one with every ledger that a death may leave. Together
 * with P2, which holds after every commit, this covers any number of deaths at any points. KILLS is
 * the number of deaths that are played through, step by step.
 *
 * Properties (each an assert where it stands, or checked by spin in every state):
 *   P1  no state is a dead end: there is no cycle of waits between barriers, full rings, channels
 *       without room, sleeping processes and acknowledgements.
 *   P2  what a commit adds is all records of all its objects and nothing else: segments of all
 *       shards and the results tell of the same whole objects.
 *   P3  an object counts once at most, a damaged one never; in a run that was not stopped each
 *       whole object counts at the end, and each damaged one is named.
 *   P4  what is published never runs ahead of the commit, and is what the ledger holds; so is what
 *       the supervisor is told.
 *   P5  the run ends: each epoch that is asked for gets an object out of the way, so there are
 *       OBJECTS at most and the last one; no object is read more than twice, since what a
 *       damaged one spoiled is read again in a turn of its own; and there is no cycle of states
 *       at all (-DNP).
 *
 * What else may happen:
 *   NO_SPILL      a shard sends one segment at the end of each epoch. Else its tables may be full
 *                 at any record (FULL_AT_ONCE: they are at each): it sends a partial segment, and
 *                 waits while UNACKNOWLEDGED of them were not acknowledged by publish.
 *   INTERVAL      true: an epoch may be asked for whenever an object is done. false: the interval
 *                 is so long that one is asked for only when nothing is left to read.
 *   STOP          a signal stops the run at any point.
 *   ASLEEP        a wait for room in a ring reads the bell of its process, whoever rang it, and
 *                 goes on at half a ring; else it goes on at once, which is the same where SLOTS
 *                 is 1 or 2, but for the bell.
 *
 * Breaks, each of which spin has to find (tests/system/test_model.py):
 *   READS_ON               a shard reads ring i on after its barrier: P2
 *   BARRIER_INSIDE         an ingest pushes its barrier in the middle of an object: P2
 *   COMMIT_EARLY           publish commits when it has the first shard's segment: P2
 *   DAMAGED_COUNTS         a damaged epoch is committed like others: P2
 *   REDO_ALL               a damaged object is read again as well: P5
 *   NO_TURNS               what is read again goes with what is fresh: P5
 *   FORGETS_LEDGER         a generation begins with all objects: P3
 *   TELLS_EARLY            publish tells of the commit before it is one: P4
 *   PUBLISHES_EARLY        publish publishes before it commits: P4
 *   RING_BY_RING           a shard reads one ring up to its barrier before the next: P1
 *   SUPERVISOR_WAITS       the supervisor waits for room in a work channel: P1
 *   NO_BELL                the supervisor does not ring when it wants an epoch: P1
 *   BELL_FIRST             it rings before it has said which epoch it wants: P1
 *   SPILL_AT_END           publish takes partial segments when it has all barriers only: P1
 *   KEEPS_DONE             an ingest sleeps and has not told what it is done with: P1
 *   RESET_IS_FATAL         a closed channel that was not read to its end fails an ingest: P3 */

#ifndef INGESTS
#define INGESTS 2
#endif
#ifndef SHARDS
#define SHARDS 2
#endif
#ifndef OBJECTS
#define OBJECTS 3
#endif
#ifndef RECORDS
#define RECORDS 2
#endif
#ifndef DAMAGED
#define DAMAGED 2
#endif
#ifndef REFUSED
#define REFUSED 0
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef AHEAD
#define AHEAD 2 /* FLS_AHEAD_OBJECTS_MAX */
#endif
#ifndef ROOM
#define ROOM 1 /* messages that a channel has room for */
#endif
#ifndef UNACKNOWLEDGED
#define UNACKNOWLEDGED 2
#endif
#ifndef INTERVAL
#define INTERVAL true
#endif
#ifndef KILLS
#define KILLS 0
#endif

#if OBJECTS * RECORDS > 15
#error "a set of records is a short"
#endif

#define ROLES (INGESTS + SHARDS + 1)
#define BIT(n) (1 << (n))
#define HAS(set, n) (((set) >> (n)) & 1)
#define ALL(n) (BIT(n) - 1)
#define FAILING (DAMAGED | REFUSED)
#define WHOLE (ALL(OBJECTS) & ~FAILING)
#define RECORD(object, number) ((object) * RECORDS + (number))
#define RECORDS_OF(object) (ALL(RECORDS) << RECORD(object, 0))
#define SHARD_OF(object, number) (((object) + (number)) % SHARDS)
#define FAILS_AT(object) (HAS(REFUSED, object) -> 0 : (HAS(DAMAGED, object) -> 1 : RECORDS))
#define RING(ingest, shard) ((ingest) * SHARDS + (shard))

/* In rings, beside the numbers of records, and results: */
#define BARRIER 254
#define BARRIER_LAST 255
#define IS_BARRIER(message) ((message) >= BARRIER)
/* Results: what became of an object. PUSHED: there are records of it in the rings. */
#define COUNTED 0
#define FAILED 1
#define ABANDONED 2
#define PUSHED 4
#define RESULT(kind, object) ((object) * 8 + (kind))

mtype = {REDO, FAILED_NEWS, OVER};

/* ---- what is shared ---- */

chan record_ring[INGESTS * SHARDS] = [SLOTS] of {byte};
chan result_ring[INGESTS] = [SLOTS] of {byte};
chan work[INGESTS] = [ROOM] of {byte};               /* object */
chan done[INGESTS] = [ROOM] of {byte, byte};         /* epoch, objects */
chan segment[SHARDS] = [UNACKNOWLEDGED] of {bool, short}; /* is_last, records */
chan acknowledged[SHARDS] = [UNACKNOWLEDGED] of {bit};
chan news = [ROOM] of {mtype, byte};                 /* object, or epoch */

byte epoch_wanted;  /* shm/control.h */
bool stopping;
bool is_closed;     /* the supervisor's ends of the work channels */
bool is_dying;      /* the generation: what a process does then is nothing */
bool bell[INGESTS]; /* those of shards and publish ring for their rings only: ring.pml */
byte alive;         /* roles */
byte runs;          /* supervisors */
#ifdef RESET_IS_FATAL
bool is_reset[INGESTS];
#endif

/* ---- what survives ---- */

byte ledger;       /* objects that count */
byte failed;       /* objects that do not */
short stored;      /* records in segment files that the ledger names */
byte ledger_epoch;
byte view;         /* Redis: objects of which it holds the figures */
byte view_epoch;
byte over;         /* for P4: the last epoch of this run that publish was through with */

#if KILLS
#define BEGIN {
#define END(left) left-- } unless { atomic { is_dying -> left-- } }
#else
#define BEGIN
#define END(left) left--
#endif

/* ---- ingest/ingest.c ---- */

/* fls_producer_next, _wait and _flush of a message, if `when` is true; `then` follows. */
#ifdef ASLEEP
#define PUSH(when, ring, message, then) \
	:: atomic { (when) && len(ring) < SLOTS -> ring!message; then } \
	:: atomic { (when) && len(ring) == SLOTS -> skip }; \
	   atomic { len(ring) <= SLOTS / 2 -> ring!message; bell[me] = false; then }
#else
#define PUSH(when, ring, message, then) \
	:: atomic { (when) && len(ring) < SLOTS -> ring!message; then }
#endif

inline tell_done()
{
	if
	:: untold == 0
	:: atomic { untold > 0 && !is_closed && len(done[me]) < ROOM ->
		done[me]!epoch, untold;
		untold = 0
	   }
	:: atomic { untold > 0 && is_closed -> /* -EPIPE */
#ifdef RESET_IS_FATAL
		assert(!is_reset[me]);
#endif
		untold = 0
	   }
	fi
}

/* push_barriers: tell_done, fls_router_barrier, then the result ring */
inline push_barriers(message)
{
	tell_done();
	if
	PUSH(true, record_ring[RING(me, 0)], message, skip)
	fi;
#if SHARDS > 1
	if
	PUSH(true, record_ring[RING(me, 1)], message, skip)
	fi;
#endif
	if
	PUSH(true, result_ring[me], message, epoch++)
	fi
}

/* read_object: read_text, fls_router_push, send_result */
inline read_object()
{
	do
	PUSH(next < FAILS_AT(object), record_ring[RING(me, SHARD_OF(object, next))],
	     RECORD(object, next), next++)
#ifdef BARRIER_INSIDE
	:: next == 1 && epoch <= epoch_wanted -> push_barriers(BARRIER)
#endif
#ifdef STOP
	:: atomic { stopping -> kind = ABANDONED; break } /* must_give_up: at any time */
#endif
	:: atomic { next == FAILS_AT(object) ->
		kind = (next == RECORDS -> COUNTED : FAILED);
		break
	   }
	od;
	if
	PUSH(true, result_ring[me],
	     RESULT((kind == COUNTED || next == 0 -> kind : kind + PUSHED), object),
	     next = 0; kind = 0; object = 0; has_object = false; untold++)
	fi;
	if
	:: tell_done()
	:: true /* with more of them: how many are left to read is not modelled */
	fi
}

/* take_work, and what work asks before it goes on. The reader has room for one object. */
inline take_work()
{
	atomic {
		if
		:: !has_object && len(work[me]) > 0 -> work[me]?object; has_object = true
		:: !has_object && len(work[me]) == 0 && is_closed ->
			has_more_work = false;
#ifdef RESET_IS_FATAL
			is_reset[me] = false
#endif
		:: else
		fi
	};
#ifdef STOP
	d_step {
		if
		:: stopping -> has_object = false; object = 0 /* drop_queue */
		:: else
		fi
	}
#endif
}

/* On the bell and the work channel. */
inline sleep_until_work()
{
#ifndef KEEPS_DONE
	tell_done();
#endif
	if
	:: atomic { bell[me] -> bell[me] = false }
	:: len(work[me]) > 0 || is_closed
	fi
}

/* work */
proctype ingest(byte me)
{
	byte epoch = 1, object, next, kind, untold;
	bool has_object, has_more_work = true;

	BEGIN
	do
	:: take_work();
		do
		:: epoch <= epoch_wanted -> push_barriers(BARRIER)
		:: else -> break
		od;
		if
		:: has_object -> read_object()
		:: !has_object && !has_more_work -> break
		:: !has_object && has_more_work -> sleep_until_work()
		fi
	od;
	push_barriers(BARRIER_LAST);
	END(alive)
}

/* ---- aggregate/aggregate.c ---- */

#ifdef FULL_AT_ONCE
#define HAS_SPACE (records == 0)
#else
#define HAS_SPACE true
#endif

#ifdef READS_ON
#define IS_OPEN(ring) !HAS(has_ended, ring)
#elif defined RING_BY_RING
#define IS_OPEN(ring) (!HAS(at_barrier, ring) && ((ring) == 0 || HAS(at_barrier, 0)))
#else
#define IS_OPEN(ring) !HAS(at_barrier, ring)
#endif
#define MAY_READ(ring) (len(record_ring[RING(ring, me)]) > 0 && IS_OPEN(ring) && HAS_SPACE)

/* drain_ring: fls_shard_count or fls_intake_take_barrier */
inline drain_ring(ring)
{
	record_ring[RING(ring, me)]?message;
	if
	:: !IS_BARRIER(message) ->
		assert(!HAS(records, message)); /* P2 */
		records = records | BIT(message)
	:: else ->
		at_barrier = at_barrier | BIT(ring);
		if
		:: message == BARRIER_LAST -> has_ended = has_ended | BIT(ring)
		:: else
		fi
	fi;
	message = 0
}

/* work; a segment is what close_epoch sends. */
proctype shard(byte me)
{
	short records;
	byte at_barrier, has_ended, message, unacknowledged;

	BEGIN
	do
	:: atomic { MAY_READ(0) -> drain_ring(0) }
#if INGESTS > 1
	:: atomic { MAY_READ(1) -> drain_ring(1) }
#endif
#ifndef NO_SPILL
	:: atomic { records != 0 && at_barrier != ALL(INGESTS) ->
		do
		:: len(acknowledged[me]) > 0 -> acknowledged[me]?_; unacknowledged--
		:: len(acknowledged[me]) == 0 && unacknowledged < UNACKNOWLEDGED -> break
		od;
		segment[me]!false, records;
		records = 0;
		unacknowledged++
	   }
#endif
	:: atomic { at_barrier == ALL(INGESTS) -> /* fls_intake_is_complete */
		segment[me]!true, records;
		records = 0;
		at_barrier = has_ended; /* fls_intake_next_epoch */
		if
		:: has_ended == ALL(INGESTS) -> break
		:: else
		fi
	   }
	od;
	END(alive)
}

/* ---- publish/publish.c ---- */

#define MAY_TAKE(ring) (len(result_ring[ring]) > 0 && !HAS(at_barrier, ring))

/* drain_ring: fls_epoch_add_result or fls_intake_take_barrier */
inline take_result(ring)
{
	result_ring[ring]?message;
	if
	:: !IS_BARRIER(message) ->
		if
		:: message % 4 == COUNTED -> counted = counted | BIT(message / 8)
		:: message % 4 == FAILED -> refused = refused | BIT(message / 8)
		:: else
		fi;
		is_damaged = is_damaged || (message & PUSHED)
	:: else ->
		at_barrier = at_barrier | BIT(ring);
		if
		:: message == BARRIER_LAST -> has_ended = has_ended | BIT(ring)
		:: else
		fi
	fi;
	message = 0
}

/* fls_epoch_add_segment; a partial one is acknowledged. */
inline take_segment(from)
{
	segment[from]?is_last, part;
	assert((records & part) == 0); /* P2 */
	records = records | part;
	if
	:: is_last -> complete = complete | BIT(from)
	:: else -> acknowledged[from]!1
	fi;
	part = 0;
	is_last = false
}

#if defined NO_SPILL || defined SPILL_AT_END
#define MAY_TAKE_SEGMENT(from) false
#else
#define MAY_TAKE_SEGMENT(from) (len(segment[from]) > 0 && !HAS(complete, from))
#endif

/* fls_commit_epoch: the ledger's transaction */
inline commit_epoch()
{
	d_step {
		if
#ifdef DAMAGED_COUNTS
		:: true ->
#else
		:: !is_damaged ->
#endif
			assert((ledger & counted) == 0); /* P3 */
			assert((counted & ~WHOLE) == 0); /* P3 */
			expected = 0;
			object = 0;
			do
			:: object < OBJECTS && HAS(counted, object) ->
				expected = expected | RECORDS_OF(object);
				object++
			:: object < OBJECTS && !HAS(counted, object) -> object++
			:: else -> object = 0; break
			od;
			assert(records == expected); /* P2 */
			assert((stored & records) == 0); /* P2 */
			ledger = ledger | counted;
			stored = stored | records;
			expected = 0
		:: else
		fi;
		failed = failed | refused;
		if
		:: refused != 0 || (counted != 0 && !is_damaged) -> ledger_epoch++
		:: else /* nothing to commit */
		fi;
		assert(number <= OBJECTS + 1); /* P5 */
		over = number
	}
}

/* fls_show_commit: one transaction of absolute values. Redis is never away here. */
inline publish_commit(epoch)
{
	d_step {
		view = ledger;
		view_epoch = epoch;
		assert(view_epoch <= ledger_epoch) /* P4 */
	}
}

#ifdef REDO_ALL
#define IS_REDO HAS(counted | refused, object)
#else
#define IS_REDO HAS(counted, object)
#endif

/* tell_epoch: tell_result of each result, tell_end */
inline tell_epoch()
{
	do
	:: atomic { object < OBJECTS && HAS(refused, object) && !is_told ->
		news!FAILED_NEWS, object;
		is_told = true
	   }
	:: atomic { object < OBJECTS && is_damaged && IS_REDO && (is_told || !HAS(refused, object)) ->
		news!REDO, object;
		is_told = false;
		object++
	   }
	:: atomic { object < OBJECTS && !(is_damaged && IS_REDO) && (is_told || !HAS(refused, object)) ->
		is_told = false;
		object++
	   }
	:: atomic { object == OBJECTS -> news!OVER, number; object = 0; break }
	od
}

/* close_epoch */
inline close_epoch()
{
	do
	:: object < SHARDS -> /* take_segments: one after the other */
#ifdef COMMIT_EARLY
		if
		:: object > 0 -> object = SHARDS; goto committing
		:: else
		fi;
#endif
		do
		:: HAS(complete, object) -> break
		:: atomic { !HAS(complete, object) -> take_segment(object) }
		od;
		object++
	:: else -> break
	od;
committing:
	object = 0;
#ifdef TELLS_EARLY
	tell_epoch();
#endif
#ifdef PUBLISHES_EARLY
	publish_commit(ledger_epoch + (counted != 0));
#endif
	commit_epoch();
	publish_commit(ledger_epoch);
#ifndef TELLS_EARLY
	tell_epoch();
#endif
	atomic { /* fls_epoch_clear, fls_intake_next_epoch */
		counted = 0;
		refused = 0;
		is_damaged = false;
		records = 0;
		complete = 0;
		at_barrier = has_ended;
		number++
	}
}

/* drain */
proctype publish()
{
	byte number = 1, at_barrier, has_ended, counted, refused, complete, message, object;
	short records, part, expected;
	bool is_damaged, is_last, is_told;

	BEGIN
	publish_commit(ledger_epoch); /* Redis may have lost what earlier runs published */
	do
	:: atomic { MAY_TAKE(0) -> take_result(0) }
#if INGESTS > 1
	:: atomic { MAY_TAKE(1) -> take_result(1) }
#endif
	:: atomic { MAY_TAKE_SEGMENT(0) -> take_segment(0) }
#if SHARDS > 1
	:: atomic { MAY_TAKE_SEGMENT(1) -> take_segment(1) }
#endif
	:: at_barrier == ALL(INGESTS) -> /* fls_intake_is_complete */
		close_epoch();
		if
		:: has_ended == ALL(INGESTS) -> break
		:: else
		fi
	od;
	END(alive)
}

/* ---- supervise/generation.c, supervise/dispatch.c ---- */

inline wake() /* fls_crew_wake */
{
	d_step {
		bell[0] = true;
#if INGESTS > 1
		bell[1] = true
#endif
	}
}

#if INGESTS > 1
#define LEAST_AHEAD (ahead[1] < ahead[0] -> 1 : 0) /* choose_ingest */
#define NOBODY_AHEAD (ahead[0] == 0 && ahead[1] == 0)
#else
#define LEAST_AHEAD 0
#define NOBODY_AHEAD (ahead[0] == 0)
#endif
#ifdef SUPERVISOR_WAITS
#define HAS_ROOM(ingest) true
#else
#define HAS_ROOM(ingest) (len(work[ingest]) < ROOM)
#endif
#ifdef NO_TURNS
#define QUEUE (redo | fresh)
#else
#define QUEUE (is_redo -> redo : (redo == 0 -> fresh : 0)) /* open_queue */
#endif
#define IS_IDLE (QUEUE == 0 && NOBODY_AHEAD) /* fls_dispatch_is_idle */
#define IS_HEARD (!is_closed && !has_stopped && epoch_wanted == heard)

/* fls_dispatch_hand_out, of one object */
inline hand_out()
{
	i = LEAST_AHEAD;
	object = 0;
	do
	:: !HAS(QUEUE, object) -> object++
	:: else -> break
	od;
	fresh = fresh & ~BIT(object);
	redo = redo & ~BIT(object);
	assert(!HAS(twice, object)); /* P5 */
	twice = twice | (once & BIT(object));
	once = once | BIT(object);
	ahead[i]++;
	work[i]!object;
	i = 0;
	object = 0
}

/* ask_for_epoch */
inline ask_for_epoch()
{
	has_open = false;
#ifdef BELL_FIRST
	wake();
#endif
	epoch_wanted++;
#if !defined NO_BELL && !defined BELL_FIRST
	wake()
#endif
}

/* fls_dispatch_take_done, of one message */
inline take_done(from)
{
	done[from]?epoch, i;
	ahead[from] = ahead[from] - i;
	has_open = has_open || epoch > epoch_wanted;
	epoch = 0;
	i = 0
}

/* take_news, of one message */
inline take_news()
{
	news?what, object;
	if
	:: what == REDO && !has_stopped -> redo = redo | BIT(object)
	:: what == OVER ->
		heard = object;
		assert(over >= heard) /* P4 */
	:: else
	fi;
	object = 0;
	what = 0
}

/* tell_to_finish: whatever is in the channels is lost */
inline tell_to_finish()
{
	d_step {
		is_closed = true;
		i = 0;
		do
		:: i < INGESTS && len(done[i]) > 0 ->
			done[i]?_, _;
#ifdef RESET_IS_FATAL
			is_reset[i] = true
#endif
		:: i < INGESTS && len(done[i]) == 0 && len(work[i]) > 0 -> work[i]?_
		:: i < INGESTS && len(done[i]) == 0 && len(work[i]) == 0 -> ahead[i] = 0; i++
		:: else -> i = 0; break
		od
	};
	wake()
}

/* supervise: what it does is done in any order here. */
proctype supervisor()
{
	byte ahead[INGESTS];
	byte fresh, redo, once, twice, heard, object, epoch, i;
	mtype what;
	bool is_redo, has_open, has_stopped;

	BEGIN
#ifdef FORGETS_LEDGER
	fresh = ALL(OBJECTS);
#else
	fresh = ALL(OBJECTS) & ~ledger; /* fls_inputs_scan, fls_dispatch_recover */
#endif
	do
	:: atomic { QUEUE != 0 && ahead[LEAST_AHEAD] < AHEAD && HAS_ROOM(LEAST_AHEAD) ->
		hand_out()
	   }
	:: atomic { IS_HEARD && has_open && (IS_IDLE || INTERVAL) -> skip }; ask_for_epoch()
	:: atomic { IS_HEARD && !has_open && IS_IDLE && (redo | fresh) != 0 ->
		is_redo = redo != 0 /* fls_dispatch_next_turn */
	   }
	:: atomic { IS_HEARD && !has_open && IS_IDLE && (redo | fresh) == 0 -> skip };
	   tell_to_finish()
	:: atomic { len(done[0]) > 0 -> take_done(0) }
#if INGESTS > 1
	:: atomic { len(done[1]) > 0 -> take_done(1) }
#endif
	:: atomic { len(news) > 0 -> take_news() }
#ifdef STOP
	:: atomic { !has_stopped -> has_stopped = true; stopping = true; fresh = 0; redo = 0 };
	   /* stop */
	   if
	   :: !is_closed -> tell_to_finish()
	   :: else
	   fi
#endif
	:: atomic { alive == 0 && len(news) == 0 -> break }
	od;
	assert(view == ledger && view_epoch == ledger_epoch); /* P4 */
	assert(has_stopped || (ledger == WHOLE && failed == FAILING)) /* P3 */;
	END(runs)
}

/* ---- generations ---- */

/* What a commit may have left to a generation: any objects that are whole, and all their records;
 * Redis may have lost everything. */
inline choose_ledger()
{
#ifdef ANY_LEDGER
	do
	:: i < OBJECTS && HAS(WHOLE, i) ->
		ledger = ledger | BIT(i);
		stored = stored | RECORDS_OF(i);
		i++
	:: i < OBJECTS -> i++
	:: i == OBJECTS -> i = 0; break
	od;
	if
	:: ledger != 0 -> ledger_epoch = 1
	:: else
	fi;
	if
	:: ledger != 0 -> view = ledger; view_epoch = 1
	:: true
	fi
#else
	skip
#endif
}

inline begin()
{
	alive = ROLES;
	runs = 1;
	run supervisor();
	run publish();
	for (i : 0 .. SHARDS - 1) {
		run shard(i)
	}
	for (i : 0 .. INGESTS - 1) {
		run ingest(i)
	}
	i = 0
}

#define MESSAGE_OF_TWO _, _
#define EMPTY(channels, cnt, message) \
	i = 0; \
	do \
	:: i < cnt && len(channels[i]) > 0 -> channels[i]?message \
	:: i < cnt && len(channels[i]) == 0 -> i++ \
	:: i == cnt -> i = 0; break \
	od

/* What was shared goes with the processes; the ledger and Redis stay. */
inline forget()
{
	d_step {
		EMPTY(record_ring, INGESTS * SHARDS, _);
		EMPTY(result_ring, INGESTS, _);
		EMPTY(work, INGESTS, _);
		EMPTY(done, INGESTS, MESSAGE_OF_TWO);
		EMPTY(segment, SHARDS, MESSAGE_OF_TWO);
		EMPTY(acknowledged, SHARDS, _);
		do
		:: len(news) > 0 -> news?_, _
		:: else -> break
		od;
		do
		:: i < INGESTS -> bell[i] = false; i++
		:: else -> i = 0; break
		od;
		epoch_wanted = 0;
		stopping = false;
		is_closed = false;
		is_dying = false;
		over = 0
	}
}

init
{
	byte i, kills = KILLS;

	atomic { choose_ledger(); begin() };
#if KILLS
	do
	:: atomic { kills > 0 && runs > 0 -> kills--; is_dying = true };
		atomic { alive == 0 && runs == 0 -> forget(); begin() }
	:: atomic { runs == 0 && alive == 0 -> break }
	od
#endif
}
