// What we use of noVNC 1.7.0, which comes without types: its API (docs/API.md of the package), and what the console's
// viewer overrides or reads to hold a hostile picture within bounds (core/rfb.js, core/display.js, core/websock.js).
declare module '@novnc/novnc' {
  /** What was received and not read yet. */
  interface Socket {
    rQlen(): number;
    /** @returns true when so many bytes are not there; `goBack` bytes are then unread again */
    rQwait(what: string, bytes: number, goBack?: number): boolean;
    rQshift8(): number;
    rQshift16(): number;
    rQshift32(): number;
    rQshiftBytes(length: number, copy?: boolean): Uint8Array<ArrayBuffer>;
    rQpeekBytes(length: number, copy?: boolean): Uint8Array<ArrayBuffer>;
    rQskipBytes(length: number): void;
  }

  interface Display {
    /** Whether something waits to be drawn. */
    pending(): boolean;
    flush(): Promise<void>;
    imageRect(x: number, y: number, width: number, height: number, mime: string, bytes: Uint8Array): void;
    videoFrame(x: number, y: number, width: number, height: number, frame: object): void;
    /** @param now not after what waits to be drawn */
    fillRect(x: number, y: number, width: number, height: number, colour: readonly number[], now?: boolean): void;
    blitImage(
      x: number,
      y: number,
      width: number,
      height: number,
      rgba: Uint8Array,
      offset: number,
      now?: boolean,
    ): void;
    drawImage(image: object, ...place: readonly number[]): void;
    toBlob(made: (blob: Blob | null) => void, type?: string): void;
    absX(x: number): number;
    absY(y: number): number;
  }

  interface Decoder {
    /** @returns false when it needs more bytes; it is then called again */
    decodeRect(
      x: number,
      y: number,
      width: number,
      height: number,
      socket: Socket,
      display: Display,
      depth: number,
    ): boolean;
  }

  class RFB extends EventTarget {
    static readonly messages: {
      clientEncodings(socket: Socket, encodings: readonly number[]): void;
    };
    constructor(
      target: HTMLElement,
      addressOrChannel: string | object,
      options?: { readonly shared?: boolean; readonly wsProtocols?: readonly string[] },
    );
    scaleViewport: boolean;
    viewOnly: boolean;
    background: string;
    focus(options?: FocusOptions): void;
    blur(): void;
    disconnect(): void;
    /** @param down pressed and let go when left out */
    sendKey(keysym: number, code: string, down?: boolean): void;

    protected readonly _sock: Socket;
    protected readonly _display: Display;
    protected readonly _decoders: Record<number, Decoder>;
    protected readonly _keyboard: {
      /** Where keys are listened for, from the next grab on. */
      _target: HTMLElement;
      _allKeysUp(): void;
    };
    protected readonly _target: HTMLElement;
    protected readonly _screen: HTMLElement;
    protected readonly _canvas: HTMLCanvasElement;
    /** The update that is being read. */
    protected readonly _FBU: {
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
      readonly encoding: number;
    };
    protected readonly _fbWidth: number;
    protected readonly _fbHeight: number;
    /** Whether it waits until what it has read is drawn. */
    protected readonly _flushing: boolean;
    protected readonly _rfbConnectionState: string;

    protected _isSupportedSecurityType(type: number): boolean;
    protected _sendEncodings(): void;
    protected _handleMessage(): void;
    protected _framebufferUpdate(): boolean;
    protected _handleRect(): boolean;
    protected _handleCursor(): boolean;
    protected _handleServerCutText(): boolean;
    protected _handleXvpMsg(): boolean;
    protected _setDesktopName(name: string): void;
    protected _resize(width: number, height: number): void;
    protected _updateCursor(rgba: Uint8Array, hotX: number, hotY: number, width: number, height: number): void;
    protected _socketClose(event: { readonly code: number; readonly reason: string }): void;
    protected _updateConnectionState(state: 'disconnecting' | 'disconnected'): void;
    protected _disconnect(): void;
    protected _fail(details: string): false;
  }

  export = RFB;
}
