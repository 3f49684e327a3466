#include "supervise/status_view.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/counters.h"

#include <jansson.h>

#define FLS_STATUS_SCHEMA 1

static void set(json_t *object, const char *name, json_t *value)
{
    fls_assert(value && json_object_set_new(object, name, value) == 0);
}

static void set_number(json_t *object, const char *name, uint64_t value)
{
    set(object, name,
        json_integer((json_int_t)(value > FLS_COUNTER_MAX ? FLS_COUNTER_MAX : value)));
}

/* Rounded to a thousandth: more is noise. */
static void set_real(json_t *object, const char *name, double value)
{
    set(object, name, json_real((double)(int64_t)(value * 1000 + 0.5) / 1000));
}

/* Seconds from then to now; null if it never was. */
static void set_age(json_t *object, const char *name, uint64_t then_ns, uint64_t now_ns)
{
    if (then_ns == 0)
        set(object, name, json_null());
    else
        set_real(object, name,
                 now_ns > then_ns ? (double)(now_ns - then_ns) / (double)FLS_NS_PER_S : 0);
}

static json_t *name_of(const struct fls_status_view *view, uint32_t who)
{
    json_t *name = json_object();
    uint32_t number;

    set(name, "role", json_string(fls_status_role(view, who, &number)));
    set_number(name, "number", number);
    return name;
}

static json_t *wait_of(const struct fls_status_view *view, const struct fls_status_wait *wait)
{
    json_t *waits_for;

    if (wait->why == FLS_WAITS_NOT)
        return json_null();
    waits_for = name_of(view, wait->who);
    set(waits_for, "why", json_string(fls_status_why_name[wait->why]));
    return waits_for;
}

static json_t *process_of(const struct fls_status_view *view, uint32_t number)
{
    const struct fls_status_process *process = &view->processes[number];
    json_t *object = name_of(view, number), *time = json_object();

    set_number(object, "pid", (uint64_t)process->pid);
    set(object, "state", json_string(fls_status_state_name[process->state]));
    set_real(object, "cpu_percent", process->cpu_percent);
    set_number(object, "records_per_s", process->records_per_s);
    set_number(object, "bytes_read_per_s", process->bytes_read_per_s);
    set_number(object, "bytes_per_s", process->bytes_per_s);
    set_number(object, "objects", process->objects);
    set_number(object, "records", process->records);
    set_number(object, "rows", process->rows);
    set_number(object, "table_bytes", process->table_bytes);
    set_number(object, "memory_bytes", process->memory_bytes);
    set_number(object, "segments", process->segments);
    set_number(object, "spilled_rows", process->spilled_rows);
    set_number(object, "epoch", process->epoch);
    set_real(time, "work", process->work);
    set_real(time, "input", process->input);
    set_real(time, "output", process->output);
    set(object, "time", time);
    set(object, "waits_for", wait_of(view, &process->waits_for));
    return object;
}

static json_t *ring_of(const struct fls_status_view *view, const struct fls_status_ring *ring)
{
    json_t *object = json_object();

    set(object, "from", name_of(view, ring->from));
    set(object, "to", name_of(view, ring->to));
    set_number(object, "slots", ring->slot_cnt);
    set_number(object, "filled", ring->filled);
    set_real(object, "filled_percent", 100.0 * ring->filled / ring->slot_cnt);
    set_number(object, "slots_per_s", ring->slots_per_s);
    set(object, "producer_sleeps", json_boolean(ring->producer_sleeps));
    set(object, "consumer_sleeps", json_boolean(ring->consumer_sleeps));
    return object;
}

static json_t *epoch_of(const struct fls_status_view *view)
{
    const struct fls_status_totals *totals = &view->totals;
    json_t *epoch = json_object();

    set_number(epoch, "open", totals->epoch_open);
    set_age(epoch, "open_s", totals->epoch_open_ns, view->now_ns);
    set_number(epoch, "committed", totals->epoch_committed);
    set_age(epoch, "committed_s", totals->epoch_committed_ns, view->now_ns);
    set_number(epoch, "published", totals->epoch_published);
    return epoch;
}

static json_t *amounts(uint64_t done, uint64_t all)
{
    json_t *object = json_object();

    set_number(object, "done", done);
    set_number(object, "all", all);
    return object;
}

static void set_totals(json_t *root, const struct fls_status_view *view)
{
    const struct fls_status_totals *totals = &view->totals;
    json_t *supervisor = json_object(), *objects = amounts(totals->objects, totals->objects_all);

    set_number(supervisor, "pid", (uint64_t)view->supervisor_pid);
    set(supervisor, "state", json_string(view->supervisor_is_stopped ? "stopped" : "working"));
    set(supervisor, "stopping", json_boolean(totals->is_stopping));
    set(supervisor, "following", json_boolean(totals->is_following));
    set_number(supervisor, "restarts", totals->restarts);
    set(root, "supervisor", supervisor);
    set_age(root, "running_s", totals->begin_ns, view->now_ns);
    set_real(root, "sample_s", (double)view->sample_ns / (double)FLS_NS_PER_S);
    set_number(objects, "failed", totals->objects_failed);
    set(root, "objects", objects);
    set(root, "bytes", amounts(totals->bytes, totals->bytes_all));
    set_number(root, "memory_limit", totals->memory_limit);
    set(root, "epoch", epoch_of(view));
}

void fls_status_print_json(const struct fls_status_view *view, FILE *out)
{
    json_t *root = json_object(), *processes = json_array(), *rings = json_array();

    set_number(root, "schema", FLS_STATUS_SCHEMA);
    set_totals(root, view);
    for (uint32_t i = 0; i < view->process_cnt; i++)
        fls_assert(json_array_append_new(processes, process_of(view, i)) == 0);
    for (uint32_t i = 0; i < view->ring_cnt; i++)
        fls_assert(json_array_append_new(rings, ring_of(view, &view->rings[i])) == 0);
    set(root, "processes", processes);
    set(root, "rings", rings);
    json_dumpf(root, out,
               JSON_COMPACT | JSON_REAL_PRECISION(15)); /* the caller sees out's errors */
    fputc('\n', out);
    json_decref(root);
}
