/* out = a b, all SIZE x SIZE, in blocks; PACK copies each block of b first. */
static float packed[SIZE * SIZE];

static inline void tile(const float *a, const float *b, int pitch, float *out, int deep)
{
    float sums[TILE_M][TILE_N];
    for (int i = 0; i < TILE_M; i++)
        for (int j = 0; j < TILE_N; j++)
            sums[i][j] = out[i * SIZE + j];
    for (int k = 0; k < deep; k++)
        for (int i = 0; i < TILE_M; i++)
            for (int j = 0; j < TILE_N; j++)
                sums[i][j] += a[i * SIZE + k] * b[k * pitch + j];
    for (int i = 0; i < TILE_M; i++)
        for (int j = 0; j < TILE_N; j++)
            out[i * SIZE + j] = sums[i][j];
}

void run(const float *restrict a, const float *restrict b, float *restrict out,
         const int *block)
{
    const int block_m = block[0], block_n = block[1], block_k = block[2];
    for (int i = 0; i < SIZE * SIZE; i++)
        out[i] = 0.0f;
    for (int k = 0; k < SIZE; k += block_k)
        for (int n = 0; n < SIZE; n += block_n) {
            const float *right = b + k * SIZE + n;
            int pitch = SIZE;
#if PACK
            for (int i = 0; i < block_k; i++)
                for (int j = 0; j < block_n; j++)
                    packed[i * block_n + j] = right[i * SIZE + j];
            right = packed;
            pitch = block_n;
#endif
            for (int m = 0; m < SIZE; m += block_m)
                for (int i = m; i < m + block_m; i += TILE_M)
                    for (int j = 0; j < block_n; j += TILE_N)
                        tile(a + i * SIZE + k, right + j, pitch,
                             out + i * SIZE + n + j, block_k);
        }
}
