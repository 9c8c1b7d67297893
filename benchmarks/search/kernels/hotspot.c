/* Heat on a periodic plate: blocks with a halo go several steps ahead on their own. */
#define EXTRA_X 32 /* tiles may reach past the part that is still right */
#define EXTRA_Y 8

static float states[2][SCRATCH / 4], heating[SCRATCH / 4];
static float middle[SIZE * SIZE];

static inline int wrapped(int i) { return (i + SIZE) % SIZE; }

static inline void tile(const float *from, float *to, const float *power, int pitch,
                        int power_pitch)
{
    for (int j = 0; j < TILE_Y; j++)
        for (int i = 0; i < TILE_X; i++) {
            const float *c = from + j * pitch + i;
            to[j * pitch + i] = c[0] + 0.1f * (c[-1] + c[1] + c[-pitch] + c[pitch] - 4.0f * c[0])
                                + 0.05f * power[j * power_pitch + i];
        }
}

static void ahead(const float *in, const float *power, float *out, int block_x, int block_y)
{
    const int wide = block_x + 2 * STEPS, high = block_y + 2 * STEPS;
    const int pitch = wide + EXTRA_X;
    for (int top = 0; top < SIZE; top += block_y)
        for (int left = 0; left < SIZE; left += block_x) {
            for (int j = 0; j < high; j++)
                for (int i = 0; i < wide; i++) {
                    const int at = wrapped(top + j - STEPS) * SIZE + wrapped(left + i - STEPS);
                    states[0][j * pitch + i] = in[at];
                    heating[j * pitch + i] = power[at];
                }
            for (int s = 1; s <= STEPS; s++) {
                const float *from = states[(s + 1) % 2];
                float *to = states[s % 2];
#if ROWS /* a row of tiles after the other */
                for (int j = s; j < high - s; j += TILE_Y)
                    for (int i = s; i < wide - s; i += TILE_X)
#else
                for (int i = s; i < wide - s; i += TILE_X)
                    for (int j = s; j < high - s; j += TILE_Y)
#endif
                        tile(from + j * pitch + i, to + j * pitch + i,
                             heating + j * pitch + i, pitch, pitch);
            }
            for (int j = 0; j < block_y; j++)
                for (int i = 0; i < block_x; i++)
                    out[(top + j) * SIZE + left + i] =
                        states[STEPS % 2][(j + STEPS) * pitch + i + STEPS];
        }
}

void run(const float *restrict in, const float *restrict power, float *restrict out,
         const int *block)
{
    const float *from = in;
    for (int done = 0; done < TIMES; done += STEPS) {
        float *to = (TIMES - done) / STEPS % 2 ? out : middle;
        ahead(from, power, to, block[0], block[1]);
        from = to;
    }
}
