/* The random moments at which samples of busy loops are taken (loop_samples.c).

   Theory: moments at exponential intervals have no memory. So it does not matter when they begin,
   nor that a moment at which a loop waits in its poll is left out: those that remain are spread
   evenly over its busy time. While all loops wait there are none, and nobody is woken.

   A moment that passes while the watchdog waits for the GIL is noted as it gets it, for the step
   that is in progress then and was at that moment. One that passes while Python looks is left out:
   the loop waits for us. */

#include "watcher.h"

#ifndef _WIN32
#include <math.h>

/* Returns a random number from 0 to 1 (xorshift64*). */
static double
random_part(Watcher *self)
{
    self->seed ^= self->seed >> 12;
    self->seed ^= self->seed << 25;
    self->seed ^= self->seed >> 27;
    return (double)((self->seed * 2685821657736338717ULL) >> 11) / 9007199254740992.0;
}

/* Returns a random interval, s: exponential, by von Neumann's way, which needs no logarithm. */
static double
interval(Watcher *self)
{
    for (double whole = 0.0;; whole += 1.0) {
        double first = random_part(self), last = first;
        int length = 1;
        for (double next = random_part(self); next <= last; next = random_part(self)) {
            last = next;
            length++;
        }
        if (length & 1) {
            return self->mean * (whole + first);
        }
    }
}

/* Plans the next moment, unless all loops wait (`quiet`). */
void
plan_moment(Watcher *self, int quiet)
{
    if (self->seed == 0) {
        self->seed = ((uint64_t)(self->now * 1e9) ^ (uint64_t)(uintptr_t)self << 20) | 1;
    }
    if (quiet) {
        self->moment = NEVER;
    }
    else if (self->moment == NEVER) {
        self->moment = self->now + interval(self);
    }
}

static int
is_sampled(const Loop *loop)
{
    return loop->state->sampled && loop->known && !loop->is.waits;
}

/* At a glance: asks for samples if the moment has come. */
void
ask_at_moment(Watcher *self)
{
    if (self->now < self->moment) {
        return;
    }
    for (Py_ssize_t n = 0; n < self->count; n++) {
        Loop *loop = &self->loops[n];
        if (is_sampled(loop)) {
            self->wants |= (char)ask_for_sample(loop->state, self->now);
        }
    }
    self->moment = self->now + interval(self);
}

/* Leaves out the moments that have passed. */
void
skip_moments(Watcher *self, double now)
{
    if (self->moment < now) {
        self->moment = now + interval(self);
    }
}

/* Takes samples for the moments that have passed while we waited for the GIL, which we have now; and
   those that only we can take. */
void
take_missed(Watcher *self, double now)
{
    for (; self->moment < now; self->moment += interval(self)) {
        for (Py_ssize_t n = 0; n < self->count; n++) {
            Loop loop = self->loops[n];
            read_position(loop.state, now, &loop.is);
            if (is_sampled(&loop) && since_step(&loop) <= self->moment) {
                note_moment(loop.state, self->moment);
            }
        }
    }
    take_noted(self);
    self->wants = 0;
}

/* Takes the samples that only we can take. */
void
take_own_samples(Watcher *self)
{
    double asked = take_gil(self);
    int collects = PyGC_Disable();
    double had = read_system_clock();
    take_missed(self, had);
    if (collects) {
        PyGC_Enable();
    }
    let_gil_go(self, asked, had);
}
#endif
