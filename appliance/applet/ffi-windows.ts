// Calls into Windows (user32, gdi32, kernel32), for its screen, input and clipboard. Handles are 64 bits wide, structures are buffers whose layout stands
// where they are filled. These libraries are among those that Windows takes from nowhere but its own folder.
import { dlopen, toArrayBuffer } from 'node:ffi';
import type { Bytes } from '../protocol/bytes.ts';

const USER32 = {
  GetDC: { arguments: ['u64'], return: 'u64' },
  GetSystemMetrics: { arguments: ['i32'], return: 'i32' },
  SetThreadDpiAwarenessContext: { arguments: ['i64'], return: 'i64' },
  EnumDisplayDevicesW: { arguments: ['pointer', 'u32', 'pointer', 'u32'], return: 'i32' },
  EnumDisplaySettingsExW: { arguments: ['pointer', 'u32', 'pointer', 'u32'], return: 'i32' },
  GetCursorInfo: { arguments: ['pointer'], return: 'i32' },
  GetIconInfo: { arguments: ['u64', 'pointer'], return: 'i32' },
} as const;

const GDI32 = {
  CreateCompatibleDC: { arguments: ['u64'], return: 'u64' },
  CreateDIBSection: { arguments: ['u64', 'pointer', 'u32', 'pointer', 'u64', 'u32'], return: 'u64' },
  SelectObject: { arguments: ['u64', 'u64'], return: 'u64' },
  BitBlt: { arguments: ['u64', 'i32', 'i32', 'i32', 'i32', 'u64', 'i32', 'i32', 'u32'], return: 'i32' },
  GetDIBits: { arguments: ['u64', 'u64', 'u32', 'u32', 'pointer', 'pointer', 'u32'], return: 'i32' },
  GetObjectW: { arguments: ['u64', 'i32', 'pointer'], return: 'i32' },
  GdiFlush: { arguments: [], return: 'i32' },
  DeleteObject: { arguments: ['u64'], return: 'i32' },
  DeleteDC: { arguments: ['u64'], return: 'i32' },
} as const;

const INPUT = {
  SendInput: { arguments: ['u32', 'pointer', 'i32'], return: 'u32' },
  GetAsyncKeyState: { arguments: ['i32'], return: 'i16' },
  GetKeyState: { arguments: ['i32'], return: 'i16' },
  GetCursorPos: { arguments: ['pointer'], return: 'i32' },
  GetSystemMetrics: { arguments: ['i32'], return: 'i32' },
  VkKeyScanExW: { arguments: ['u16', 'u64'], return: 'i16' },
  ToUnicodeEx: { arguments: ['u32', 'u32', 'pointer', 'pointer', 'i32', 'u32', 'u64'], return: 'i32' },
  MapVirtualKeyW: { arguments: ['u32', 'u32'], return: 'u32' },
  GetKeyboardLayout: { arguments: ['u32'], return: 'u64' },
  GetForegroundWindow: { arguments: [], return: 'u64' },
  GetWindowThreadProcessId: { arguments: ['u64', 'pointer'], return: 'u32' },
  RegisterRawInputDevices: { arguments: ['pointer', 'u32', 'u32'], return: 'i32' },
  GetRawInputData: { arguments: ['i64', 'u32', 'pointer', 'pointer', 'u32'], return: 'u32' },
  CreateWindowExW: {
    arguments: ['u32', 'pointer', 'pointer', 'u32', 'i32', 'i32', 'i32', 'i32', 'i64', 'u64', 'u64', 'u64'],
    return: 'u64',
  },
  DestroyWindow: { arguments: ['u64'], return: 'i32' },
  PeekMessageW: { arguments: ['pointer', 'u64', 'u32', 'u32', 'u32'], return: 'i32' },
  DispatchMessageW: { arguments: ['pointer'], return: 'i64' },
} as const;

const CLIPBOARD = {
  OpenClipboard: { arguments: ['u64'], return: 'i32' },
  CloseClipboard: { arguments: [], return: 'i32' },
  EmptyClipboard: { arguments: [], return: 'i32' },
  GetClipboardSequenceNumber: { arguments: [], return: 'u32' },
  IsClipboardFormatAvailable: { arguments: ['u32'], return: 'i32' },
  RegisterClipboardFormatW: { arguments: ['pointer'], return: 'u32' },
  GetClipboardData: { arguments: ['u32'], return: 'u64' },
  SetClipboardData: { arguments: ['u32', 'u64'], return: 'u64' },
} as const;

const KERNEL32 = {
  GlobalAlloc: { arguments: ['u32', 'u64'], return: 'u64' },
  GlobalFree: { arguments: ['u64'], return: 'u64' },
  GlobalLock: { arguments: ['u64'], return: 'u64' },
  GlobalUnlock: { arguments: ['u64'], return: 'i32' },
  GlobalSize: { arguments: ['u64'], return: 'u64' },
} as const;

const SYSTEM_FOLDER = { GetSystemDirectoryW: { arguments: ['pointer', 'u32'], return: 'u32' } } as const;
const MAX_PATH = 260;

const SESSION = {
  WTSQuerySessionInformationW: { arguments: ['u64', 'u32', 'i32', 'pointer', 'pointer'], return: 'i32' },
  WTSFreeMemory: { arguments: ['u64'], return: 'void' },
} as const;

/** By its whole path: wtsapi32 is none of those that Windows takes from its own folder whatever lies beside the program. */
export function openWindowsSession() {
  const folder = Buffer.alloc(MAX_PATH * 2);
  const length = dlopen('kernel32.dll', SYSTEM_FOLDER).functions.GetSystemDirectoryW(folder, MAX_PATH);
  return dlopen(`${folder.toString('utf16le', 0, length * 2)}\\wtsapi32.dll`, SESSION).functions;
}

export type WindowsSessionCalls = ReturnType<typeof openWindowsSession>;

const CURRENT_SERVER = 0n;
const CURRENT_SESSION = 0xffff_ffff;
const SESSION_INFO_EX = 25;

/** WTSINFOEXW of the session this runs in. @returns null where Windows doesn't tell */
export function readSessionInfo(calls: WindowsSessionCalls): Buffer | null {
  const [address, length] = [Buffer.alloc(8), Buffer.alloc(4)];
  if (calls.WTSQuerySessionInformationW(CURRENT_SERVER, CURRENT_SESSION, SESSION_INFO_EX, address, length) === 0)
    return null;
  const place = address.readBigUInt64LE();
  if (place === 0n) return null;
  const info = Buffer.from(toArrayBuffer(place, length.readUInt32LE(), true));
  calls.WTSFreeMemory(place);
  return info;
}

export function openWindowsInput() {
  return dlopen('user32.dll', INPUT).functions;
}

export type WindowsInputCalls = ReturnType<typeof openWindowsInput>;

export function openWindowsClipboard() {
  return { ...dlopen('user32.dll', CLIPBOARD).functions, ...dlopen('kernel32.dll', KERNEL32).functions };
}

export type WindowsClipboardCalls = ReturnType<typeof openWindowsClipboard>;

const MOVEABLE = 2;

/** What a block of Windows' memory holds. @returns null when that is more, or it can't be had */
export function readGlobal(calls: WindowsClipboardCalls, handle: bigint, maxBytes: number): Buffer | null {
  const size = Number(calls.GlobalSize(handle));
  if (size < 1 || size > maxBytes) return null;
  const address = calls.GlobalLock(handle);
  if (address === 0n) return null;
  const bytes = Buffer.from(toArrayBuffer(address, size, true));
  calls.GlobalUnlock(handle);
  return bytes;
}

/** A block of Windows' memory, to be given to Windows. @returns 0 when there is none */
export function writeGlobal(calls: WindowsClipboardCalls, bytes: Uint8Array): bigint {
  const handle = calls.GlobalAlloc(MOVEABLE, BigInt(bytes.length));
  const address = handle === 0n ? 0n : calls.GlobalLock(handle);
  if (address === 0n) return 0n;
  new Uint8Array(toArrayBuffer(address, bytes.length, false)).set(bytes);
  calls.GlobalUnlock(handle);
  return handle;
}

export function openWindows() {
  return { ...dlopen('user32.dll', USER32).functions, ...dlopen('gdi32.dll', GDI32).functions };
}

export type Windows = ReturnType<typeof openWindows>;

/** Pixels that Windows draws into, as bytes. `free` runs when nobody has them any more, and not before. */
export function nativePixels(address: bigint, length: number, free: () => void): Bytes {
  const memory = toArrayBuffer(address, length, false);
  freeWithBytes.register(memory, free);
  return new Uint8Array(memory);
}

const freeWithBytes = new FinalizationRegistry<() => void>(free => free());
