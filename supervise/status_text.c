#include "supervise/status_view.h"

#include "base/visible.h"
#include "supervise/figures.h"

#include <inttypes.h>

static uint64_t since(const struct fls_status_view *view, uint64_t then_ns)
{
    return view->now_ns > then_ns ? view->now_ns - then_ns : 0;
}

static void write_amounts(const struct fls_status_view *view, FILE *out)
{
    const struct fls_status_totals *totals = &view->totals;
    char done[FLS_FIGURE_MAX], all[FLS_FIGURE_MAX], failed[FLS_FIGURE_MAX];

    fls_figure_exact(totals->objects, done);
    fls_figure_exact(totals->objects_all, all);
    fprintf(out, "objects  %s of %s", done, all);
    if (totals->objects_failed > 0) {
        fls_figure_exact(totals->objects_failed, failed);
        fprintf(out, ", %s failed", failed);
    }
    fls_figure_unit(totals->bytes, "B", done);
    fls_figure_unit(totals->bytes_all, "B", all);
    fprintf(out, "; %s of %s read\n", done, all);
}

static void write_epochs(const struct fls_status_view *view, FILE *out)
{
    const struct fls_status_totals *totals = &view->totals;
    char age[FLS_FIGURE_MAX];

    fprintf(out, "epoch    %" PRIu64 " open", totals->epoch_open);
    if (totals->epoch_open_ns) {
        fls_figure_time(since(view, totals->epoch_open_ns), age);
        fprintf(out, " for %s", age);
    }
    if (totals->epoch_committed == 0) {
        fprintf(out, ", none committed yet");
    } else {
        fls_figure_time(since(view, totals->epoch_committed_ns), age);
        fprintf(out, ", %" PRIu64 " committed %s ago", totals->epoch_committed, age);
    }
    if (totals->epoch_published)
        fprintf(out, "; Redis shows epoch %" PRIu64, totals->epoch_published);
    fputc('\n', out);
}

/* Of the processes in all, shared pages as often as they are mapped. */
static void write_memory(const struct fls_status_view *view, FILE *out)
{
    char held[FLS_FIGURE_MAX], limit[FLS_FIGURE_MAX], rows[FLS_FIGURE_MAX];
    uint64_t held_bytes = 0, spilled_rows = 0;

    for (uint32_t i = 0; i < view->process_cnt; i++) {
        held_bytes += view->processes[i].memory_bytes;
        spilled_rows += view->processes[i].spilled_rows;
    }
    fls_figure_unit(held_bytes, "B", held);
    fls_figure_unit(view->totals.memory_limit, "B", limit);
    fprintf(out, "memory   %s of %s", held, limit);
    if (spilled_rows > 0) {
        fls_figure_short(spilled_rows, rows);
        fprintf(out, ", for lack of which %s rows were written before their epoch's end", rows);
    }
    fputc('\n', out);
}

static void write_head(const struct fls_status_view *view, const char *state_folder, FILE *out)
{
    char folder[FLS_PATH_MAX], age[FLS_FIGURE_MAX];

    fls_visible(fls_span_of(state_folder), folder, sizeof(folder));
    fprintf(out, "run      on %s, supervisor %d", folder, (int)view->supervisor_pid);
    if (view->totals.begin_ns) {
        fls_figure_time(since(view, view->totals.begin_ns), age);
        fprintf(out, ", for %s", age);
    }
    if (view->totals.restarts)
        fprintf(out, ", started again %" PRIu64 " time%s", view->totals.restarts,
                view->totals.restarts == 1 ? "" : "s");
    fprintf(out, "%s\n",
            view->totals.is_stopping    ? ", coming to its end"
            : view->totals.is_following ? ", following"
                                        : "");
    write_amounts(view, out);
    write_epochs(view, out);
    write_memory(view, out);
}

/* What a role does not do stays empty. */
static void put(uint64_t value, const char *unit, char out[static FLS_FIGURE_MAX])
{
    if (value == 0)
        snprintf(out, FLS_FIGURE_MAX, "-");
    else if (unit)
        fls_figure_unit(value, unit, out);
    else
        fls_figure_short(value, out);
}

static void write_process(const struct fls_status_view *view, uint32_t number, FILE *out)
{
    const struct fls_status_process *process = &view->processes[number];
    char name[FLS_STATUS_NAME_MAX], records[FLS_FIGURE_MAX], in[FLS_FIGURE_MAX];
    char text[FLS_FIGURE_MAX], objects[FLS_FIGURE_MAX], rows[FLS_FIGURE_MAX];
    char tables[FLS_FIGURE_MAX], memory[FLS_FIGURE_MAX];

    fls_status_name(view, number, name);
    put(process->records_per_s, NULL, records);
    put(process->bytes_read_per_s, "B/s", in);
    put(process->bytes_per_s, "B/s", text);
    put(process->objects, NULL, objects);
    put(process->rows, NULL, rows);
    put(process->table_bytes, "B", tables);
    put(process->memory_bytes, "B", memory);
    fprintf(out,
            "%-12s  %7d  %-10s  %6.1f  %9s  %10s  %10s  %7s  %8s  %8s  %8s  %4.0f  %5.0f  %6.0f\n",
            name, (int)process->pid, fls_status_state_name[process->state], process->cpu_percent,
            records, in, text, objects, rows, tables, memory, 100 * process->work,
            100 * process->input, 100 * process->output);
}

static void write_processes(const struct fls_status_view *view, FILE *out)
{
    fprintf(out, "\n%117s%s\n", "", "% of the time");
    fprintf(out, "%-12s  %7s  %-10s  %6s  %9s  %10s  %10s  %7s  %8s  %8s  %8s  %4s  %5s  %6s\n",
            "process", "pid", "state", "cpu %", "records/s", "read", "text", "objects", "rows",
            "tables", "memory", "work", "input", "output");
    for (uint32_t i = 0; i < view->process_cnt; i++)
        write_process(view, i, out);
}

static void write_rings(const struct fls_status_view *view, FILE *out)
{
    fprintf(out, "\n%-26s  %9s  %7s  %9s  %s\n", "ring", "filled", "%", "slots/s", "asleep");
    for (uint32_t i = 0; i < view->ring_cnt; i++) {
        const struct fls_status_ring *ring = &view->rings[i];
        char from[FLS_STATUS_NAME_MAX], to[FLS_STATUS_NAME_MAX];
        char both[2 * FLS_STATUS_NAME_MAX + 4], filled[FLS_FIGURE_MAX], rate[FLS_FIGURE_MAX];

        fls_status_name(view, ring->from, from);
        fls_status_name(view, ring->to, to);
        snprintf(both, sizeof(both), "%s -> %s", from, to);
        fls_figure_exact(ring->filled, filled);
        fls_figure_short(ring->slots_per_s, rate);
        fprintf(out, "%-26s  %9s  %7.1f  %9s  %s%s%s\n", both, filled,
                100.0 * ring->filled / ring->slot_cnt, rate, ring->producer_sleeps ? from : "",
                ring->producer_sleeps && ring->consumer_sleeps ? ", " : "",
                ring->consumer_sleeps ? to : "");
    }
}

static void write_waits(const struct fls_status_view *view, FILE *out)
{
    char name[FLS_STATUS_NAME_MAX], who[FLS_STATUS_NAME_MAX];

    fputc('\n', out);
    if (view->supervisor_is_stopped)
        fprintf(out, "supervisor is stopped (signal)\n");
    for (uint32_t i = 0; i < view->process_cnt; i++) {
        const struct fls_status_process *process = &view->processes[i];

        fls_status_name(view, i, name);
        if (process->state == FLS_STATUS_STOPPED)
            fprintf(out, "%s is stopped (signal)\n", name);
        else if (process->state == FLS_STATUS_COMMITTING)
            fprintf(out, "%s commits and publishes epoch %" PRIu64 "\n", name, process->epoch);
        else if (process->waits_for.why == FLS_WAITS_NO_WORK)
            fprintf(out, "%s waits for work\n", name);
        else if (process->waits_for.why != FLS_WAITS_NOT) {
            fls_status_name(view, process->waits_for.who, who);
            fprintf(out, "%s waits for %s (%s)\n", name, who,
                    fls_status_why_words[process->waits_for.why]);
        }
    }
}

void fls_status_print_text(const struct fls_status_view *view, const char *state_folder, FILE *out)
{
    write_head(view, state_folder, out);
    write_processes(view, out);
    write_rings(view, out);
    write_waits(view, out);
}
