"""What the demo's camera sees: a bright disc on a known path. Shared by the camera and by the node that checks the answers."""

import math

WIDTH, HEIGHT, RADIUS = 1920, 1080, 24
RATE_HZ = 30.0


def disc_centre(stamp_ns: int) -> tuple[int, int]:
    """The disc's centre in pixels at a time in nanoseconds: a Lissajous curve that stays inside the image."""
    t = stamp_ns * 1e-9 % 3600.0
    x = WIDTH / 2 + (WIDTH / 2 - 3 * RADIUS) * math.sin(1.3 * t)
    y = HEIGHT / 2 + (HEIGHT / 2 - 3 * RADIUS) * math.sin(1.7 * t + 0.5)
    return round(x), round(y)
