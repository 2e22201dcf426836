// What we use of the X11 client, which comes without types (docs/README.md of the package). Requests answer by callback; one
// that returns true has dealt with the error it was given.
declare module 'x11' {
  import type { EventEmitter } from 'node:events';
  import type { Duplex } from 'node:stream';

  type Answer<Reply> = (error: Error | null | undefined, reply: Reply) => boolean | undefined;

  interface Visual {
    readonly class: number;
    readonly red_mask: number;
    readonly green_mask: number;
    readonly blue_mask: number;
  }

  interface Screen {
    readonly root: number;
    readonly root_depth: number;
    readonly root_visual: number;
    readonly default_colormap: number;
    readonly white_pixel: number;
    readonly black_pixel: number;
    readonly pixel_width: number;
    readonly pixel_height: number;
    /** By depth, then by visual. */
    readonly depths: Readonly<Record<number, Readonly<Record<number, Visual>>>>;
  }

  interface Display {
    readonly screen: readonly Screen[];
    readonly client: Client;
    /** 0: the least significant byte of a pixel first. */
    readonly image_byte_order: number;
    readonly format: Readonly<Record<number, { readonly bits_per_pixel: number; readonly scanline_pad: number }>>;
    readonly min_keycode: number;
    readonly max_keycode: number;
    readonly vendor: string;
  }

  /** Fields depend on its type; the wire's bytes are always there. */
  interface XEvent {
    readonly type: number;
    readonly name?: string;
    readonly rawData: Buffer;
  }

  interface Geometry {
    readonly depth: number;
    readonly xPos: number;
    readonly yPos: number;
    readonly width: number;
    readonly height: number;
  }

  interface Property {
    readonly type: number;
    readonly bytesAfter: number;
    readonly data: Buffer;
  }

  interface Extension {
    readonly present: number | boolean;
    readonly majorOpcode: number;
    readonly firstEvent: number;
    readonly firstError: number;
  }

  interface Damage extends Extension {
    readonly ReportLevel: { readonly NonEmpty: number };
    Create(id: number, drawable: number, level: number): void;
    Destroy(id: number): void;
    /** Region 0: everything, or into nothing. */
    Subtract(id: number, repair: number, parts: number): void;
  }

  interface XRectangle {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
  }

  interface CursorImage {
    readonly width: number;
    readonly height: number;
    readonly xhot: number;
    readonly yhot: number;
    readonly cursorSerial: number;
    /** BGRA, premultiplied. */
    readonly cursorImage: Buffer;
  }

  interface Fixes extends Extension {
    SelectCursorInput(window: number, mask: number): void;
    GetCursorImage(answer: Answer<CursorImage>): void;
    CreateRegion(id: number, rectangles: readonly XRectangle[]): void;
    DestroyRegion(id: number): void;
    FetchRegion(id: number, answer: Answer<{ readonly rectangles: readonly XRectangle[] }>): void;
    SetWindowShapeRegion(window: number, kind: number, x: number, y: number, region: number): void;
  }

  interface RandR extends Extension {
    readonly NotifyMask: { readonly ScreenChange: number; readonly CrtcChange: number; readonly OutputChange: number };
    SelectInput(window: number, mask: number): void;
  }

  interface Shm extends Extension {
    Attach(id: number, memory: number, readOnly: boolean, answer: Answer<void>): void;
    Detach(id: number): void;
    GetImage(
      drawable: number,
      x: number,
      y: number,
      width: number,
      height: number,
      planes: number,
      format: number,
      segment: number,
      offset: number,
      answer: Answer<{ readonly depth: number; readonly size: number }>,
    ): void;
  }

  interface Render extends Extension {
    /** Format of pictures with alpha, 32 bits a pixel. */
    readonly rgba32: number;
    CreatePicture(id: number, drawable: number, format: number, values: null): void;
    CreateCursor(id: number, picture: number, hotX: number, hotY: number): void;
  }

  interface ScreenSaver extends Extension {
    readonly eventMask: { readonly Notify: number };
    SelectInput(drawable: number, mask: number): void;
    QueryInfo(drawable: number, answer: Answer<{ readonly state: number }>): void;
  }

  interface Extensions {
    readonly damage: Damage;
    readonly fixes: Fixes;
    readonly randr: RandR;
    readonly render: Render;
    readonly shm: Shm;
    readonly 'screen-saver': ScreenSaver;
  }

  interface Client extends EventEmitter {
    readonly display: Display;
    /** Raw requests: number, bytes and reply in one go, as the library's own extensions do it. */
    seq_num: number;
    readonly replies: Record<number, [parse: (body: Buffer, detail: number) => unknown, answer: Answer<never>]>;
    /** Undefined until it is connected. */
    readonly pack_stream: {
      put(bytes: Buffer): void;
      submit(expectsReply?: boolean): boolean;
      flush(): boolean;
    };
    AllocID(): number;
    ReleaseID(id: number): void;
    terminate(): void;
    QueryExtension(name: string, answer: Answer<Extension>): void;
    require<Name extends keyof Extensions>(name: Name, answer: Answer<Extensions[Name]>): void;
    GetInputFocus(answer: Answer<unknown>): void;
    InternAtom(onlyIfExists: boolean, name: string, answer: Answer<number>): void;
    GetAtomName(atom: number, answer: Answer<string>): void;
    GetGeometry(drawable: number, answer: Answer<Geometry>): void;
    CreateWindow(
      id: number,
      parent: number,
      x: number,
      y: number,
      width: number,
      height: number,
      border: number,
      depth: number,
      kind: number,
      visual: number,
      values: Readonly<Record<string, number>>,
    ): void;
    ChangeWindowAttributes(window: number, values: Readonly<Record<string, number>>): void;
    ConfigureWindow(window: number, values: Readonly<Record<string, number>>): void;
    MapWindow(window: number): void;
    UnmapWindow(window: number): void;
    DestroyWindow(window: number): void;
    CreatePixmap(id: number, drawable: number, depth: number, width: number, height: number): void;
    FreePixmap(id: number): void;
    CreateGC(id: number, drawable: number, values: Readonly<Record<string, number>>): void;
    ChangeGC(id: number, values: Readonly<Record<string, number>>): void;
    FreeGC(id: number): void;
    PolyFillArc(drawable: number, gc: number, arcs: readonly number[]): void;
    PolyFillRectangle(drawable: number, gc: number, rectangles: readonly number[]): void;
    CopyArea(
      from: number,
      to: number,
      gc: number,
      x: number,
      y: number,
      toX: number,
      toY: number,
      width: number,
      height: number,
    ): void;
    PutImage(
      format: number,
      drawable: number,
      gc: number,
      width: number,
      height: number,
      x: number,
      y: number,
      leftPad: number,
      depth: number,
      data: Buffer,
    ): void;
    GetImage(
      format: number,
      drawable: number,
      x: number,
      y: number,
      width: number,
      height: number,
      planes: number,
      answer: Answer<{ readonly depth: number; readonly visualId: number; readonly data: Buffer }>,
    ): void;
  }

  interface Options {
    readonly display: string;
    readonly stream: Duplex;
    readonly auth: { readonly name: string; readonly data: string };
    readonly bufferRequests: boolean;
  }

  function createClient(options: Options): Client;
}
