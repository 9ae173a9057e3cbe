"""Random programs, played bare and watched: whatever an app can see must be the same.

`programs` throws async apps by dice, `playing` plays them as requests; `callbacks` throws and plays
programs of a loop's scheduling methods. Both write what happens into a `Journal`. By hand:
`python -m tests.fuzz --seeds 5000`.
"""
