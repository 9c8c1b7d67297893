/* A filter of TAPS x TAPS over an image: out is SIZE x SIZE, in is padded. */
#define PITCH (SIZE + TAPS - 1)
#define TEXT(x) #x
#define UNROLLED(n) _Pragma(TEXT(GCC unroll n))

static inline void tile(const float *in, const float *taps, float *out)
{
#if ORDER == 0 /* all sums of the tile at once */
    float sums[TILE_Y][TILE_X] = {{0.0f}};
    for (int v = 0; v < TAPS; v++) {
        UNROLLED(UNROLL)
        for (int u = 0; u < TAPS; u++)
            for (int j = 0; j < TILE_Y; j++)
                for (int i = 0; i < TILE_X; i++)
                    sums[j][i] += taps[v * TAPS + u] * in[(v + j) * PITCH + u + i];
    }
    for (int j = 0; j < TILE_Y; j++)
        for (int i = 0; i < TILE_X; i++)
            out[j * SIZE + i] = sums[j][i];
#elif ORDER == 1 /* row by row */
    for (int j = 0; j < TILE_Y; j++) {
        float sums[TILE_X] = {0.0f};
        for (int v = 0; v < TAPS; v++) {
            UNROLLED(UNROLL)
            for (int u = 0; u < TAPS; u++)
                for (int i = 0; i < TILE_X; i++)
                    sums[i] += taps[v * TAPS + u] * in[(v + j) * PITCH + u + i];
        }
        for (int i = 0; i < TILE_X; i++)
            out[j * SIZE + i] = sums[i];
    }
#else /* tap by tap, sums in memory */
    for (int j = 0; j < TILE_Y; j++)
        for (int i = 0; i < TILE_X; i++)
            out[j * SIZE + i] = 0.0f;
    for (int v = 0; v < TAPS; v++) {
        UNROLLED(UNROLL)
        for (int u = 0; u < TAPS; u++)
            for (int j = 0; j < TILE_Y; j++)
                for (int i = 0; i < TILE_X; i++)
                    out[j * SIZE + i] += taps[v * TAPS + u] * in[(v + j) * PITCH + u + i];
    }
#endif
}

void run(const float *restrict in, const float *restrict taps, float *restrict out,
         const int *block)
{
    const int block_x = block[0], block_y = block[1];
    for (int top = 0; top < SIZE; top += block_y)
        for (int left = 0; left < SIZE; left += block_x)
            for (int y = top; y < top + block_y; y += TILE_Y)
                for (int x = left; x < left + block_x; x += TILE_X)
                    tile(in + y * PITCH + x, taps, out + y * SIZE + x);
}
