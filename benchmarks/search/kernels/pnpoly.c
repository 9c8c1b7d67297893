/* Which points lie in a polygon: a ray to the left crosses its edges an odd number of times. */
#define TEXT(x) #x
#define UNROLLED(n) _Pragma(TEXT(GCC unroll n))

static float slopes[VERTICES], offsets[VERTICES];
static int crossings[POINTS];

static inline int between(float y, float a, float b)
{
#if BETWEEN == 0
    return (a > y) != (b > y);
#elif BETWEEN == 1
    return (a <= y && b > y) || (b <= y && a > y);
#elif BETWEEN == 2
    return y >= (a < b ? a : b) && y < (a < b ? b : a);
#else
    return (y - a) * (y - b) < 0.0f;
#endif
}

static inline int left_of(float x, float y, const float *u, const float *v, int i, int j)
{
#if SLOPES
    (void)u, (void)v, (void)j;
    return x < slopes[i] * y + offsets[i];
#else
    return x < (u[j] - u[i]) * (y - v[i]) / (v[j] - v[i]) + u[i];
#endif
}

static inline void tile(const float *x, const float *y, const float *u, const float *v,
                        int *odd, int first, int count)
{
    int found[TILE];
    for (int p = 0; p < TILE; p++)
        found[p] = odd[p];
    UNROLLED(UNROLL)
    for (int i = first; i < first + count; i++) {
        const int j = i == 0 ? VERTICES - 1 : i - 1;
        for (int p = 0; p < TILE; p++) {
#if COUNT == 0
            if (between(y[p], v[i], v[j]) && left_of(x[p], y[p], u, v, i, j))
                found[p] = !found[p];
#elif COUNT == 1
            found[p] ^= between(y[p], v[i], v[j]) & left_of(x[p], y[p], u, v, i, j);
#else
            found[p] += between(y[p], v[i], v[j]) * left_of(x[p], y[p], u, v, i, j);
#endif
        }
    }
    for (int p = 0; p < TILE; p++)
        odd[p] = found[p];
}

/* points: all x, then all y; polygon the same; out: 1 inside, 0 outside. */
void run(const float *restrict points, const float *restrict polygon,
         float *restrict out, const int *block)
{
    const int block_point = block[0], block_vertex = block[1];
    const float *u = polygon, *v = polygon + VERTICES;
    for (int i = 0; i < VERTICES; i++) {
        const int j = i == 0 ? VERTICES - 1 : i - 1;
        slopes[i] = (u[j] - u[i]) / (v[j] - v[i]);
        offsets[i] = u[i] - slopes[i] * v[i];
    }
    for (int p = 0; p < POINTS; p++)
        crossings[p] = 0;
    for (int first = 0; first < POINTS; first += block_point)
        for (int i = 0; i < VERTICES; i += block_vertex)
            for (int p = first; p < first + block_point; p += TILE)
                tile(points + p, points + POINTS + p, u, v, crossings + p, i, block_vertex);
    for (int p = 0; p < POINTS; p++)
        out[p] = (float)(crossings[p] & 1);
}
