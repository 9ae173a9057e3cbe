/* What the watchdog reads of the loops and of the system while it sleeps, without the GIL.

   A loop's numbers are read without a lock: aligned doubles, each of which is old or new. An error
   from this lasts a moment, and the next glance corrects it.

   Causes are distinguished by `before`: a reading from before the tick in progress, at most a
   period old. A thread that waits in one poll uses no CPU, so its numbers stay those of the poll's
   beginning. The CPU time of the process as the tick began is read when the tick is found, if that
   is soon enough. If the thread's CPU time grows within a poll, it is awake in it: it waits for the
   GIL to leave the poll, or runs a signal handler. */

#include "watcher.h"

#ifndef _WIN32
#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#define SETTLED 0.001 /* s after which a thread that begins to wait uses no more CPU */
#define AT_ONCE 0.005 /* s after the beginning of a tick for which readings count as before it */

static double
seconds_of(clockid_t clock)
{
    struct timespec time;
    return clock_gettime(clock, &time) == 0 ? (double)time.tv_sec + (double)time.tv_nsec / 1e9 : UNKNOWN;
}

/* Reads the beginning of a file again, as text; "" if there is none. */
static void
read_text(int file, char *text, size_t size)
{
    ssize_t length = file >= 0 ? pread(file, text, size - 1, 0) : 0;
    text[length > 0 ? length : 0] = '\0';
}

/* Reads a thread's schedstat: ns on the CPU, ns in the run queue, slices. */
static void
read_schedule(int file, double *queued, long long *slices)
{
    char text[96], *end = text, *last;
    read_text(file, text, sizeof(text));
    strtoull(text, &end, 10);
    unsigned long long ns = strtoull(end, &last, 10);
    *queued = last > end ? (double)ns / 1e9 : UNKNOWN;
    *slices = (long long)strtoull(last, NULL, 10);
}

/* Returns the seconds in a group's `cpu.stat`; see watchdog/kernel.py. */
static double
throttled_in(int file)
{
    char text[512];
    read_text(file, text, sizeof(text));
    const char *found = strstr(text, "throttled_usec ");
    if (found != NULL) {
        return (double)strtoull(found + 15, NULL, 10) / 1e6;
    }
    found = strstr(text, "throttled_time ");
    return found != NULL ? (double)strtoull(found + 15, NULL, 10) / 1e9 : 0.0;
}

void
read_around(Around *around, double now, int schedule, const int *files, int count)
{
    around->at = now;
    around->process = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    around->cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    read_schedule(schedule, &around->queued, &around->slices);
    around->throttled = count > 0 ? 0.0 : UNKNOWN;
    for (int n = 0; n < count; n++) {
        around->throttled += throttled_in(files[n]);
    }
}

/* Says whether a loop's thread certainly waits for something other than the GIL, which a thread
   waits for in `futex` only (proc(5), `syscall`). */
int
waits_elsewhere(const Loop *loop)
{
#ifdef SYS_futex
    char text[96];
    read_text(loop->call, text, sizeof(text));
    return isdigit((unsigned char)text[0]) && strtol(text, NULL, 10) != SYS_futex;
#else
    (void)loop;
    return 0;
#endif
}

double
since_step(const Loop *loop)
{
    return loop->is.polling ? loop->is.tick : loop->is.mark;
}

static double
thread_seconds(const Loop *loop)
{
    return loop->timed ? seconds_of(loop->clock) : UNKNOWN;
}

static void
read_thread(Loop *loop, const Around *around)
{
    loop->latest.cpu = thread_seconds(loop);
    read_schedule(loop->schedule, &loop->latest.queued, &loop->latest.slices);
    loop->fresh = loop->is.waits && around->at - loop->is.tick < SETTLED;
}

/* Reads a loop that waits, in the same poll as at the last glance (`same`) or in another. After a
   late glance `before` stays: a reading from now shows nothing of what happened earlier. */
static void
glance_at_waiting(Loop *loop, const Around *around, int same, int late)
{
    if (!same || loop->fresh) {
        read_thread(loop, around);
    }
    else if (loop->stirred == 0.0 && thread_seconds(loop) > loop->latest.cpu) {
        loop->stirred = around->at;
    }
    if (!same) {
        loop->stirred = 0.0;
    }
    if (loop->stirred == 0.0) {
        loop->latest.around = *around;
        loop->latest.idle = loop->is.idle;
        loop->before = late ? loop->before : loop->latest;
    }
}

/* Reads a loop that runs, in a tick that the last glance has seen or in a new one. `same`: the new
   tick began at the end of the poll in which the loop then waited. */
static void
glance_at_running(Loop *loop, const Around *around, int same)
{
    double began = loop->is.tick;
    if (loop->latest.around.at <= began) {
        loop->before = loop->latest;
        if (same && around->at - began <= AT_ONCE) {
            loop->before.around.at = began;
            loop->before.around.process = around->process;
            loop->before.around.throttled = around->throttled;
            loop->before.idle = loop->is.idle;
        }
    }
    loop->stirred = 0.0;
    loop->latest.around = *around;
    loop->latest.idle = loop->is.idle;
    read_thread(loop, around);
}

void
glance_at(Loop *loop, const Around *around, int late)
{
    Position was = loop->is;
    read_position(loop->state, around->at, &loop->is);
    const Position *is = &loop->is;
    int same = loop->known && was.waits && was.turns == is->turns;
    if (!loop->known || is->mark != was.mark || is->turns != was.turns || is->waits != was.waits) {
        loop->moved = 1;
    }
    if (is->waits) {
        glance_at_waiting(loop, around, same && is->mark == was.mark, late);
    }
    else {
        glance_at_running(loop, around, same);
    }
    if (!loop->known) {
        loop->known = 1;
        loop->before = loop->latest;
    }
}
#endif
