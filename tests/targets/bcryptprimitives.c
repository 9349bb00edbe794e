/* What Rust's standard library takes random numbers from, and Wine 8, which is Debian's, lacks: Windows' own does the same. */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) { return RtlGenRandom(data, (ULONG)length); }
