/* How the watchdog's sleep takes the GIL: the keep-alive beats first, in case it is never had, and turns
   at it are asked for, in case a loop never waits (gil_turns.c). */

#include "watcher.h"

#ifndef _WIN32
#include <math.h>
#ifdef __linux__
#include <sys/timerfd.h>
#endif

/* Sets the keep-alive's next beat; infinity: none is due. */
void
beat(Watcher *self, double due)
{
#ifdef __linux__
    if (self->timer >= 0) {
        double at = isfinite(due) ? due + self->stops : 0.0;
        struct itimerspec alarm = {{0, 0}, {(time_t)at, (long)((at - (double)(time_t)at) * 1e9)}};
        __atomic_store((double *)self->keep_alive.buf, &due, __ATOMIC_RELAXED);
        timerfd_settime(self->timer, TFD_TIMER_ABSTIME, &alarm, NULL);
    }
#else
    (void)self, (void)due;
#endif
}

/* Takes the GIL, and returns when we asked for it. */
double
take_gil(Watcher *self)
{
    double asked = read_system_clock();
    beat(self, asked);
    __atomic_store(&self->asked, &asked, __ATOMIC_RELAXED);
    self->turns = 1;
    want_turns(FOR_WATCHDOG, asked, FOREVER);
    PyEval_RestoreThread(self->state);
    self->asked = NEVER;
    return asked;
}

/* Asks for no more turns, unless they are another watcher's. */
void
end_turns(Watcher *self)
{
    if (self->turns) {
        self->turns = 0;
        want_no_turns(FOR_WATCHDOG);
    }
}

/* Lets it go again, which we had from `had` on. */
void
let_gil_go(Watcher *self, double asked, double had)
{
    end_turns(self);
    self->state = PyEval_SaveThread();
    beat(self, INFINITY);
    if (had - asked > self->patience) {
        self->wait_began = asked;
    }
}
#endif
