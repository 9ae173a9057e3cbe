/* Turns at the GIL for threads of ours (gil_turns.c). */

#ifndef LOOPWATCH_GIL_TURNS_H
#define LOOPWATCH_GIL_TURNS_H

#include "native.h"

#if defined(_MSC_VER) && !defined(__clang__)
#define __atomic_store(at, from, order) ((void)(*(at) = *(from)))
#endif

/* Who asks for turns; as in core/gil_turns.py. */
enum { FOR_WATCHDOG, FOR_WAITS, FOR_DELIVERY, FOR_PORT, FOR_ANSWERS, ASKERS };

extern double turn_due; /* clock, s: a step that ends from then on gives a turn */
extern PyMethodDef turn_functions[];

void want_turns(int who, double began, double seconds); /* these two need no GIL */
void want_no_turns(int who);
void give_turn(LoopState *state, double now);
void forget_turns(void);
PyObject *bad_asker(int who); /* sets an exception */

/* Gives a turn if one is due, as a step has ended; with the GIL, between two steps. */
static inline void
give_due_turn(LoopState *state, double now)
{
    if (now >= turn_due) {
        give_turn(state, now);
    }
}

#endif
