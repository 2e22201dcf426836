// Requests that only tests make.
declare module 'x11' {
  interface Shm {
    PutImage(
      drawable: number,
      gc: number,
      image: {
        readonly totalWidth: number;
        readonly totalHeight: number;
        readonly srcX: number;
        readonly srcY: number;
        readonly srcWidth: number;
        readonly srcHeight: number;
        readonly dstX: number;
        readonly dstY: number;
        readonly depth: number;
        readonly format: number;
        readonly sendEvent: boolean;
        readonly shmseg: number;
        readonly offset: number;
      },
    ): void;
  }

  interface Client {
    SetInputFocus(window: number, revertTo: number): void;
    QueryKeymap(answer: Answer<Buffer>): void;
    QueryPointer(
      window: number,
      answer: Answer<{ readonly keyMask: number; readonly rootX: number; readonly rootY: number }>,
    ): void;
    GetKeyboardMapping(first: number, count: number, answer: Answer<readonly (readonly number[])[]>): void;
    SetPointerMapping(mapping: readonly number[], answer: Answer<number>): void;
    GrabKeyboard(
      window: number,
      ownerEvents: number,
      time: number,
      pointer: number,
      keyboard: number,
      answer: Answer<number>,
    ): void;
    GrabButton(
      window: number,
      ownerEvents: number,
      mask: number,
      pointerMode: number,
      keyboardMode: number,
      confineTo: number,
      cursor: number,
      button: number,
      modifiers: number,
    ): void;
    AllowEvents(mode: number, time: number): void;
    ListProperties(window: number, answer: Answer<readonly number[]>): void;
  }
}
