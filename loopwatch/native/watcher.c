/* The watchdog's sleep: its thread waits here, without the GIL, until Python must look.

   Rule: while all loops stay in their polls, nothing is done. Python looks when a step or a tick
   has lasted `early`, when a loop is awake in its poll and does not leave it, when we woke late,
   when we are rung, at the time that Python asked for, and from time to time while a loop does
   anything.

   Mechanism: awake, we glance at the loops' plain numbers once a period, or when a running step or
   tick becomes `early` old. When all loops have waited for a period, we set `asleep` in each loop
   state. If nothing has changed a period later, we sleep deeply. That period covers memory
   ordering: a loop that has not seen the flag yet has been seen to move by then. These end a deep
   sleep:

   - code that finds `asleep` set: a loop returns from its poll, or something is scheduled on it,
   - the descriptor that a loop polls has events (an epoll set can be polled itself),
   - the main thread runs any bytecode: a pending call of the interpreter does only this,
   - a poll should have ended by itself: its thread may wait for the GIL to leave it,
   - `LULL` has passed, for what no hook reports.

   libuv calls back within its poll, where we have no hook. If a protocol blocks there, its socket
   was read before we got a CPU, so the descriptor has no events any more: of 20 such calls 2 to 4
   were seen. The pending call sees all of them on the main thread. On other threads the first such
   call after a deep sleep has no stack sample, unless it schedules something or lasts for `LULL`.

   A glance costs less than a microsecond a loop; a wake costs about 50. One idle loop: one wake a
   second, 0.006 % of a core; 100 idle loops: 0.03 %; one that wakes each 50 ms: 0.10 %, half of it
   for Python's looks.

   Tried and dropped: a native thread of our own (0.04 % at 12 wakes a second; it would have to
   attach to the interpreter for each look, and be stopped at a fork and at the end of the process,
   which happens to a Python thread by itself); a Python thread that only skips its looks while all
   is quiet (0.16 %, since each wake takes the GIL and runs cold code). Not tried: waking at the end
   of each poll (a system call a tick); kernel AIO, which would report past events (a sandbox may
   kill the process for it). */

#include "watcher.h"

#ifndef _WIN32
#include <math.h>

#define SHORTEST 0.002 /* s between two glances */
#define STUCK 0.012    /* s awake in a poll; Python code gives the GIL up in two switch intervals */
#define OFTEN 0.5      /* s between two looks of Python while a loop moves, and before the first */
#define LULL 1.0       /* s of deep sleep, at most; and between two looks if other threads work */
#define QUIET 0.01     /* CPU s of the process since Python looked from which other threads work */

/* Makes the main thread wake us once it runs bytecode. This needs the GIL: if the interpreter is
   ending, it ends this thread as we take it. */
static void
post(Watcher *self)
{
    if (!self->main || __atomic_load_n(&posted, __ATOMIC_ACQUIRE)) {
        return;
    }
    double asked = take_gil(self);
    __atomic_store_n(&posted, 1, __ATOMIC_RELEASE);
    if (Py_AddPendingCall(on_main_thread, NULL) < 0) {
        __atomic_store_n(&posted, 0, __ATOMIC_RELEASE);
    }
    let_gil_go(self, asked, read_system_clock());
}

/* ---------------------------------------------------------------- a glance */

/* Looks at all loops; this was planned for `meant`. */
static void
glance(Watcher *self, double meant)
{
    Around around;
    double now = self->now = read_system_clock();
    self->meant = meant < now ? meant : now;
    __atomic_store_n(&self->version, self->version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    read_around(&around, now, self->schedule, self->files, self->file_count);
    for (Py_ssize_t n = 0; n < self->count && clock_step == 0.0; n++) {
        glance_at(&self->loops[n], &around, now - self->meant > self->patience);
        if (self->loops[n].moved && now < self->moving) {
            self->moving = now;
        }
    }
    __atomic_store_n(&self->version, self->version + 1, __ATOMIC_RELEASE);
    if (self->looked == 0.0) {
        self->looked = now;
        self->process = around.process;
    }
    self->others = now - self->looked >= LULL && around.process - self->process >= QUIET;
}

/* Says whether a step or a tick is old, and Python has not looked at it. */
static int
is_old(const Loop *loop, double now)
{
    double step = since_step(loop), tick = loop->is.tick;
    return !loop->is.waits && ((now - step >= loop->early && step != loop->step) ||
                               (now - tick >= loop->early && tick != loop->tick));
}

/* Says whether Python must look. */
static int
needed(Watcher *self, double wish)
{
    double now = self->now;
    int any = now >= wish || __atomic_load_n(&self->rung, __ATOMIC_ACQUIRE) ||
              now - self->meant > self->patience || now - self->moving >= OFTEN ||
              self->wait_began < NEVER || self->others;
    for (Py_ssize_t n = 0; n < self->count; n++) {
        Loop *loop = &self->loops[n];
        loop->asks = is_old(loop, now) || (loop->stirred != 0.0 && now - loop->stirred >= STUCK);
        any |= loop->asks;
    }
    return any;
}

/* ---------------------------------------------------------------- sleep */

static void
sooner(double *next, double at, double now)
{
    if (at > now && at < *next) {
        *next = at;
    }
}

/* Says whether all loops have been waiting for a period. */
static int
is_quiet(const Watcher *self)
{
    for (Py_ssize_t n = 0; n < self->count; n++) {
        const Loop *loop = &self->loops[n];
        double until;
        __atomic_load(&loop->state->until, &until, __ATOMIC_RELAXED);
        if (!loop->is.waits || loop->stirred != 0.0 ||
            self->now - loop->is.tick < self->period ||
            (until != 0.0 && until - self->now < self->period)) {
            return 0;
        }
    }
    return clock_step == 0.0;
}

static void
tell_states(Watcher *self, char asleep)
{
    self->armed = asleep;
    for (Py_ssize_t n = 0; n < self->count; n++) {
        __atomic_store_n(&self->loops[n].state->asleep, asleep, __ATOMIC_RELEASE);
    }
}

void
disarm(Watcher *self)
{
    if (self->armed) {
        tell_states(self, 0);
    }
}

/* Returns when to glance again; `deep`: the loops' descriptors wake us too. */
static double
plan(Watcher *self, double wish, int *deep)
{
    double now = self->now, next = now + self->period;
    int quiet = is_quiet(self);
    plan_moment(self, quiet);
    *deep = quiet && self->armed && (!self->main || __atomic_load_n(&posted, __ATOMIC_ACQUIRE));
    if (*deep) {
        next = now + LULL;
    }
    else if (quiet) {
        tell_states(self, 1);
        post(self);
    }
    else {
        disarm(self);
    }
    sooner(&next, self->moving + OFTEN, now);
    sooner(&next, self->moment, now);
    for (Py_ssize_t n = 0; n < self->count; n++) {
        const Loop *loop = &self->loops[n];
        if (!loop->is.waits) {
            sooner(&next, since_step(loop) + loop->early, now);
            sooner(&next, loop->is.tick + loop->early, now);
        }
        else if (loop->stirred != 0.0) {
            sooner(&next, loop->stirred + STUCK, now);
        }
        else if (*deep && loop->state->until != 0.0) {
            sooner(&next, loop->state->until + STUCK, now);
        }
    }
    next = next > now + SHORTEST ? next : now + SHORTEST;
    next = wish < next ? wish : next;
    return self->wait_began < NEVER ? now : next;
}

/* Sleeps until `next` or until woken, and says whether it was woken. `next` is then the moment of
   that, as far as known. */
static int
sleep_until(Watcher *self, double *next, int deep)
{
    double seconds = *next - read_system_clock();
    nfds_t count = deep ? (nfds_t)self->count + 1 : 1;
    seconds = seconds > 0.0 ? seconds : 0.0;
#ifdef __linux__
    struct timespec wait = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    int found = ppoll(self->polled, count, &wait, NULL);
#else
    int found = poll(self->polled, count, (int)(seconds * 1e3) + 1);
#endif
    if (found > 0) {
        double now = read_system_clock(), rang = hear_bell(self);
        rang = rang < now ? rang : now;
        *next = rang < *next ? rang : *next;
    }
    return found > 0;
}

/* Marks loops whose descriptors have events: they will be awake in a moment. A descriptor that
   cannot be polled is not polled any more. */
static void
note_events(Watcher *self)
{
    for (Py_ssize_t n = 0; n < self->count; n++) {
        struct pollfd *polled = &self->polled[n + 1];
        Loop *loop = &self->loops[n];
        if (polled->revents & ~POLLIN) {
            polled->fd = -1;
        }
        else if (polled->revents && loop->is.waits && loop->stirred == 0.0) {
            loop->stirred = self->now;
        }
    }
}

/* Sleeps until Python is needed, at the latest at `wish`. */
void
sleep_while_quiet(Watcher *self, double wish)
{
    glance(self, read_system_clock());
    skip_moments(self, self->now);
    while (!needed(self, wish)) {
        int deep;
        double next = plan(self, wish, &deep);
        int woken = sleep_until(self, &next, deep);
        glance(self, next);
        ask_at_moment(self);
        if (self->wants) {
            take_own_samples(self);
        }
        if (woken && deep) {
            note_events(self);
        }
    }
    for (Py_ssize_t n = 0; n < self->count; n++) {
        Loop *loop = &self->loops[n];
        loop->elsewhere = !loop->is.waits && waits_elsewhere(loop);
    }
    disarm(self);
}
#endif
