/*
 * A window that is never shown, as an asynchronous server uses it: class, window, message loop; and the objects of
 * waits. With UNICODE its text is in wchar_t, of whichever width.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <tchar.h>
#include <stdio.h>
#include <stdlib.h>

#define WM_NOTE (WM_USER + 1)

static TCHAR g_title[32];
static int g_notes;

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            printf("line %d: %s, last error %u\n", __LINE__, #condition, (unsigned)GetLastError()); \
            exit(1); \
        } \
    } while (0)

static int same_text(const TCHAR *one, const TCHAR *other) {
    while (*one != 0 && *one == *other)
        one++, other++;
    return *one == *other;
}

static LRESULT CALLBACK WndProc(HWND hWnd, UINT uMsg, WPARAM wParam, LPARAM lParam) {
    switch (uMsg) {
    case WM_CREATE: {
        const CREATESTRUCT *create = (const CREATESTRUCT *)lParam;
        int i;
        for (i = 0; create->lpszName[i] != 0 && i < 31; i++)
            g_title[i] = create->lpszName[i];
        SetWindowLongPtr(hWnd, GWLP_USERDATA, (LONG_PTR)create->lpCreateParams);
        return 0;
    }
    case WM_NOTE:
        g_notes += (int)wParam;
        return (LRESULT)GetWindowLongPtr(hWnd, GWLP_USERDATA);
    case WM_DESTROY:
        PostQuitMessage(5);
        return 0;
    }
    return DefWindowProc(hWnd, uMsg, wParam, lParam);
}

static DWORD WINAPI Poster(LPVOID lpParam) {
    HWND hWnd = (HWND)lpParam;
    PostMessage(hWnd, WM_NOTE, 1, 0);
    return (DWORD)SendMessage(hWnd, WM_NOTE, 10, 0);
}

int main(void) {
    WNDCLASS wndclass;
    int nUser = 7;
    MSG msg;
    HWND hWnd;
    HANDLE hThread, hMutex, hSemaphore, hTimer;
    LARGE_INTEGER liDue;
    DWORD dwCode = 0;

    ZeroMemory(&wndclass, sizeof(wndclass));
    wndclass.lpfnWndProc = WndProc;
    wndclass.hInstance = NULL;
    wndclass.lpszClassName = TEXT("MessagesClass");
    CHECK(RegisterClass(&wndclass) != 0);
    hWnd = CreateWindow(TEXT("messagesclass"), TEXT("A title"), WS_OVERLAPPEDWINDOW, 0, 0, CW_USEDEFAULT, CW_USEDEFAULT,
                        HWND_MESSAGE, NULL, NULL, &nUser);
    CHECK(hWnd != NULL && IsWindow(hWnd));
    CHECK(same_text(g_title, TEXT("A title")));
    ShowWindow(hWnd, SW_SHOWNORMAL);
    UpdateWindow(hWnd);

    hThread = CreateThread(NULL, 0, Poster, hWnd, 0, NULL);
    CHECK(hThread != NULL);
    while (g_notes < 11) {
        CHECK(GetMessage(&msg, NULL, 0, 0) > 0);
        TranslateMessage(&msg);
        DispatchMessage(&msg);
        if (g_notes == 1) /* the sent one comes while nothing is posted */
            PostMessage(hWnd, WM_NOTE, 0, 0);
    }
    CHECK(WaitForSingleObject(hThread, INFINITE) == WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(hThread, &dwCode) && dwCode == (DWORD)(UINT_PTR)&nUser);
    CloseHandle(hThread);

    hMutex = CreateMutex(NULL, TRUE, TEXT("messages-mutex"));
    hSemaphore = CreateSemaphore(NULL, 1, 1, NULL);
    hTimer = CreateWaitableTimer(NULL, TRUE, NULL);
    CHECK(hMutex != NULL && hSemaphore != NULL && hTimer != NULL);
    CHECK(CreateSemaphore(NULL, 1, 1, TEXT("messages-mutex")) == NULL && GetLastError() == ERROR_INVALID_HANDLE);
    liDue.QuadPart = -10000;
    CHECK(SetWaitableTimer(hTimer, &liDue, 0, NULL, NULL, FALSE));
    CHECK(MsgWaitForMultipleObjects(1, &hTimer, FALSE, INFINITE, QS_SENDMESSAGE) == WAIT_OBJECT_0);
    CHECK(ReleaseMutex(hMutex) && !ReleaseSemaphore(hSemaphore, 1, NULL));
    CloseHandle(hMutex);
    CloseHandle(hSemaphore);
    CloseHandle(hTimer);

    CHECK(SendMessage(hWnd, WM_CLOSE, 0, 0) == 0 && !IsWindow(hWnd));
    while (GetMessage(&msg, NULL, 0, 0) > 0)
        DispatchMessage(&msg);
    CHECK(msg.message == WM_QUIT && msg.wParam == 5);
    CHECK(UnregisterClass(TEXT("MessagesClass"), NULL));
    printf("ok\n");
    return 0;
}
