/* The poll of a libuv loop: our own prepare handle runs before it, and our check handle after it.

   The relevant parts of libuv's iteration: idle handles (uvloop runs its ready callbacks there),
   prepare, poll, check, timers. So a tick ends at `prepare`, and the next one begins where the poll
   returned. A transport calls its protocol within the poll phase, after epoll_wait has returned. So
   libuv gives the poll's own end: its beginning + the growth of `uv_metrics_idle_time`, which stops
   before the first such callback. A signal that ends epoll_wait resets that count, and its time is
   lost (libuv 1.43 to 1.51). So the later of this and the loop's own time is taken (`uv_now`, set
   as epoll_wait returns, in whole ms). uvloop sets that time again for each new timer and in
   `loop.time()`; a TimedSoon reads it first (`note_libuv_time`).

   libuv calls both handles without the GIL, on the loop's thread. They write plain numbers between
   two increments of `version`, and take the GIL only for what is long. We own all memory until
   libuv has released it. Handles are closed before the loop is, or libuv would refuse to close.
   Their `data` stays NULL: as uvloop closes, it takes any open handle's `data` for an object of its
   own.

   Readers on other threads find `loop` NULL once the handles are closed, since reading a closed
   loop would crash. A reader has the GIL, as the closing code does, or `guard`, which the closing
   code takes as well: the watchdog reads without the GIL. The guard is held for one such reading
   only. */

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

/* Returns the moment at which a poll that is over returned. */
static double
came_back(LibuvPoll *poll, double idle, double now)
{
    double entered = poll->state->tick, back = entered + idle;
    double own = poll->seen != 0.0 ? poll->seen : libuv_time(poll);
    back = own > back ? own : back;
    return back < now ? back : now;
}

/* Notes the loop's own time before uvloop sets it. */
void
note_libuv_time(LibuvPoll *poll)
{
    if (poll->seen == 0.0 && poll->loop != NULL) {
        poll->seen = libuv_time(poll);
    }
}

/* Returns when a poll returned whose phase is in progress; `now` while it waits. Needs the
   guard. */
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
    if (after > before) { /* libuv counts idle time */
        return now;
    }
    *waits = 0;
    return came_back(poll, idle, now);
}

static PyThread_type_lock guard, spare; /* made with the first poll; spare: for a forked child */

/* Makes the locks that are missing; 0, or -1 without an exception. */
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
    if (guard != NULL) { /* else no thread reads: this is the child of a child */
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

/* In a forked child: no thread exists that could release the guard, and nothing is allocated. */
void
guard_polls_anew(void)
{
    guard = spare;
    spare = NULL;
}

/* `since_poll` for a loop state, whose poll may be closed meanwhile. Needs no GIL. */
double
since_poll_of(LoopState *state, double now, int *waits)
{
    take_guard();
    double since = state->poll != NULL ? since_poll(state->poll, now, waits) : now;
    give_guard();
    return since;
}

/* Separates a poll from its loop state, so that it is not read any more. */
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

/* ------------------------------------------------------ called by libuv, without the GIL */

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

static int
raise_again(void *exception)
{
    PyErr_SetObject((PyObject *)Py_TYPE((PyObject *)exception), (PyObject *)exception);
    Py_DECREF((PyObject *)exception);
    return -1;
}

/* Has the main thread raise the exception that is set in the next code that it runs: a Ctrl-C must
   not be lost, and libuv, which called us, cannot pass it on. */
static void
raise_later(PyObject *where)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (value == NULL || Py_AddPendingCall(raise_again, value) < 0) {
        PyErr_Restore(type, value, trace);
        PyErr_WriteUnraisable(where);
        return;
    }
    Py_XDECREF(type);
    Py_XDECREF(trace);
}

/* Calls a function of the loop state with the GIL; its exception is reported and dropped. */
static void
with_gil(LoopState *state, int (*function)(LoopState *, double), double at)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_INCREF(state);
    if (function(state, at) < 0 && drop_error((PyObject *)state) < 0) {
        raise_later((PyObject *)state);
    }
    Py_DECREF(state);
    PyGILState_Release(gil);
}

/* Has Python file what the poll phase ran, as a gap: it was long, or a request began in it. */
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
        end_tick(state, now); /* needs no GIL here */
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
    double back = clock_step != 0.0 ? now : came_back(poll, idle, now); /* libuv's is not even */
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
