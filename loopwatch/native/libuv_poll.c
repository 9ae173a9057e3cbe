/* The poll of a libuv loop, by a prepare and a check handle of our own: before it and after it.

   libuv's iteration, as far as it matters: idle handles (uvloop runs what is ready there), prepare,
   poll, check, timers. So a tick ends at `prepare`, and the next one begins where the poll returned.
   What a transport tells its protocol runs inside the poll phase, after epoll_wait has returned, so
   the poll's own end is taken from libuv: entered + the growth of `uv_metrics_idle_time`, which stops
   before the first of those callbacks. A signal that ends epoll_wait makes libuv begin that count
   anew, and what it had is lost (libuv 1.43 to 1.51); so the later of it and the loop's own time
   (`uv_now`, set as epoll_wait returns, in whole ms) is taken. uvloop sets that time again whenever a
   timer is made and in `loop.time()`, which a TimedSoon tells us first (`note_libuv_time`).

   libuv calls both handles without the GIL, on the loop's thread. They write plain numbers, between
   two steps of `version`, and take the GIL for what is long only. All memory is ours until libuv has
   let it go: handles are closed before the loop is, or libuv would refuse to close. Their `data` stays
   NULL, since uvloop takes that of any open handle for an object of its own as it closes.

   Readers on other threads find `loop` NULL once the handles are closed: what they ask of a closed
   loop would crash. They hold the GIL, as who closes does, or `guard`, which whoever closes takes as
   well: the watchdog reads without the GIL, and nobody keeps the guard for more than such a reading. */

#include "libuv_poll.h"

static double
idle_since(LibuvPoll *poll, uint64_t *idle)
{
    *idle = ((time_function)poll->functions[IDLE_TIME])(poll->loop);
    return *idle > poll->idle_before ? (double)(*idle - poll->idle_before) / 1e9 : 0.0;
}

static double
libuv_time(LibuvPoll *poll)
{
    return (double)((time_function)poll->functions[NOW])(poll->loop) / 1e3;
}

/* Returns the moment the poll came back; it is over. */
static double
came_back(LibuvPoll *poll, double idle, double now)
{
    double entered = poll->state->tick, back = entered + idle;
    double own = poll->seen != 0.0 ? poll->seen : libuv_time(poll);
    back = own > back ? own : back;
    return back < now ? back : now;
}

/* Notes the loop's own time before somebody sets it. */
void
note_libuv_time(LibuvPoll *poll)
{
    if (poll->seen == 0.0 && poll->loop != NULL) {
        poll->seen = libuv_time(poll);
    }
}

/* Returns when a poll in progress came back; while it waits, `now`. For readers, with the guard. */
static double
since_poll(LibuvPoll *poll, double now, int *waits)
{
    uint64_t before, after;
    *waits = 1;
    if (poll->loop == NULL || clock_step != 0.0) {
        return now;
    }
    double idle = idle_since(poll, &before);
    idle_since(poll, &after);
    if (after > before) { /* it counts */
        return now;
    }
    *waits = 0;
    return came_back(poll, idle, now);
}

static PyThread_type_lock guard, spare; /* there once a poll is; the spare one is for a fork */

/* Makes what is not there; 0, or -1 without an exception. */
int
make_guards(void)
{
    guard = guard != NULL ? guard : PyThread_allocate_lock();
    spare = spare != NULL ? spare : PyThread_allocate_lock();
    return guard != NULL && spare != NULL ? 0 : -1;
}

static void
take_guard(void)
{
    if (guard != NULL) { /* else nobody reads here: a child's child */
        PyThread_acquire_lock(guard, WAIT_LOCK);
    }
}

static void
give_guard(void)
{
    if (guard != NULL) {
        PyThread_release_lock(guard);
    }
}

/* In a forked child, where nobody has the guard who could give it back, and nothing is allocated. */
void
guard_polls_anew(void)
{
    guard = spare;
    spare = NULL;
}

/* The same of a loop state, whose poll may be closed meanwhile. Needs no GIL. */
double
since_poll_of(LoopState *state, double now, int *waits)
{
    take_guard();
    double since = state->poll != NULL ? since_poll(state->poll, now, waits) : now;
    give_guard();
    return since;
}

/* Parts a poll from its loop state: nobody reads it any more. */
void
part_poll(LibuvPoll *poll)
{
    take_guard();
    poll->loop = NULL;
    if (poll->state != NULL) {
        poll->state->poll = NULL;
        poll->state = NULL;
    }
    give_guard();
}

/* ---------------------------------------------------------------- called by libuv, without the GIL */

static void
write_begins(LoopState *state)
{
    __atomic_store_n(&state->version, state->version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void
write_ends(LoopState *state)
{
    __atomic_store_n(&state->version, state->version + 1, __ATOMIC_RELEASE);
}

/* Calls a function of the loop state with the GIL; what it raises is told, and goes nowhere. */
static void
with_gil(LoopState *state, int (*function)(LoopState *, double), double at)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_INCREF(state);
    if (function(state, at) < 0) {
        PyErr_WriteUnraisable((PyObject *)state);
    }
    Py_DECREF(state);
    PyGILState_Release(gil);
}

/* What the poll phase ran was long, or a request began in it: Python files it, as a gap. */
static int
end_callbacks(LoopState *state, double took)
{
    PyObject *entered = is_there(state->entered) ? state->entered : NULL;
    if (entered != NULL) {
        return slow_way(wired.share_step, (PyObject *)state, Py_None, Py_None, took);
    }
    PyObject *seconds = PyFloat_FromDouble(took);
    PyObject *done = seconds == NULL ? NULL
                                     : PyObject_CallFunctionObjArgs(wired.end_gap, state, seconds, NULL);
    Py_XDECREF(seconds);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
end_gap_then_tick(LoopState *state, double ended)
{
    double gap = ended - state->mark;
    int failed = 0;
    state->mark = ended;
    if (gap >= wired.first || is_there(state->entered)) {
        failed = end_callbacks(state, gap);
    }
    return end_tick(state, ended) < 0 || failed < 0 ? -1 : 0;
}

void
on_prepare(void *handle)
{
    LibuvPoll *poll = poll_of(handle);
    LoopState *state = poll->state;
    if (state == NULL) {
        return;
    }
    double now = read_clock();
    if (now - state->mark >= wired.first || state->noted || is_there(state->entered) ||
        ends_slowly(state, now - state->tick)) {
        with_gil(state, end_gap_then_tick, now);
        now = read_clock();
    }
    else {
        end_tick(state, now); /* nothing of it needs the GIL */
    }
    write_begins(state);
    state->mark = state->tick = now;
    idle_since(poll, &poll->idle_before);
    poll->seen = 0.0;
    state->polling = 1;
    write_ends(state);
}

void
on_check(void *handle)
{
    LibuvPoll *poll = poll_of(handle);
    LoopState *state = poll->state;
    if (state == NULL || !state->polling) {
        return;
    }
    uint64_t unused;
    double now = read_clock(), idle = idle_since(poll, &unused);
    double back = clock_step != 0.0 ? now : came_back(poll, idle, now); /* an even clock is not its */
    write_begins(state);
    state->idle += back - state->tick;
    state->tick = back;
    state->mark = now;
    state->polling = 0;
    write_ends(state);
    if (state->asleep) {
        wake_watcher();
    }
    if (now - back >= wired.first || is_there(state->entered)) {
        with_gil(state, end_callbacks, now - back);
    }
}
