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
   only.

   A watch may be stopped on another thread while libuv calls us. A callback says that it is `busy`
   and then looks for `state`; who parts the two takes `state` away and then waits until nobody is
   `busy`. A callback that needs the GIL is not busy meanwhile, since who parts them has the GIL. */

#include "libuv_poll.h"

#ifdef _WIN32
#define YIELD() ((void)0) /* there is no uvloop */
#else
#include <sched.h>
#define YIELD() sched_yield()
#endif

#define YIELDS 100000 /* in a forked child a callback of a thread that is gone may look busy */

double
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
double
came_back(LibuvPoll *poll, const LoopState *state, double idle, double now)
{
    double entered = state->tick, back = entered + idle;
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
    return came_back(poll, poll->state, idle, now);
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

/* Separates a poll from its loop state: no reader and no callback uses either any more. */
void
part_poll(LibuvPoll *poll)
{
    take_guard();
    if (poll->state != NULL) {
        poll->state->poll = NULL;
        __atomic_store_n(&poll->state, NULL, __ATOMIC_SEQ_CST);
    }
    give_guard();
    for (int n = 0; n < YIELDS && __atomic_load_n(&poll->busy, __ATOMIC_SEQ_CST); n++) {
        YIELD();
    }
    poll->loop = NULL;
}
