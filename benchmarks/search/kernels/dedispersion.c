/* Sums of CHANNELS rows of a signal, each shifted by a delay that grows with the trial. */
#define PITCH (TIMES + LONGEST)
#define TEXT(x) #x
#define UNROLLED(n) _Pragma(TEXT(GCC unroll n))

static inline int delay(int trial, int channel)
{
    return trial * channel * LONGEST / ((TRIALS - 1) * (CHANNELS - 1));
}

static inline void tile(const float *in, float *out, int trial, int first, int count)
{
    float sums[TILE_TRIAL][TILE_TIME];
    for (int d = 0; d < TILE_TRIAL; d++)
        for (int t = 0; t < TILE_TIME; t++)
            sums[d][t] = out[d * TIMES + t];
    UNROLLED(UNROLL)
    for (int c = first; c < first + count; c++)
        for (int d = 0; d < TILE_TRIAL; d++) {
            const float *row = in + c * PITCH + delay(trial + d, c);
            for (int t = 0; t < TILE_TIME; t++)
                sums[d][t] += row[t];
        }
    for (int d = 0; d < TILE_TRIAL; d++)
        for (int t = 0; t < TILE_TIME; t++)
            out[d * TIMES + t] = sums[d][t];
}

void run(const float *restrict in, const float *unused, float *restrict out,
         const int *block)
{
    const int block_time = block[0], block_trial = block[1], block_channel = block[2];
    (void)unused;
    for (int i = 0; i < TRIALS * TIMES; i++)
        out[i] = 0.0f;
    for (int c = 0; c < CHANNELS; c += block_channel)
        for (int time = 0; time < TIMES; time += block_time)
            for (int trial = 0; trial < TRIALS; trial += block_trial)
#if ORDER == 0 /* times outside */
                for (int t = time; t < time + block_time; t += TILE_TIME)
                    for (int d = trial; d < trial + block_trial; d += TILE_TRIAL)
#else
                for (int d = trial; d < trial + block_trial; d += TILE_TRIAL)
                    for (int t = time; t < time + block_time; t += TILE_TIME)
#endif
                        tile(in + t, out + d * TIMES + t, d, c, block_channel);
}
