/** Text to be copied. */
import { useEffect, useRef, useState } from "react";

/** A button that copies a text and says so. */
export function CopyButton(props: {
  readonly text: string;
  /** What is copied, for those who hear the button. */
  readonly what: string;
  readonly label?: string;
}) {
  const { text, what, label = "Copy" } = props;
  const [state, setState] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setState("Copied");
    } catch {
      setState("The browser refused: select the text and copy it");
    }
  };
  return (
    <>
      <button type="button" className="small" onClick={() => void copy()}>
        {label} <span className="unseen">{what}</span>
      </button>
      <span role="status" className="quiet">
        {state}
      </span>
    </>
  );
}

/** A line of text with its copy button. */
export function CopyLine({ text, what }: { readonly text: string; readonly what: string }) {
  return (
    <div className="copy-line">
      <code>{text}</code>
      <CopyButton text={text} what={what} />
    </div>
  );
}

/** A block of code with its copy button. */
export function CodeBlock({ text, what }: { readonly text: string; readonly what: string }) {
  return (
    <div className="code-block">
      <CopyButton text={text} what={what} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </div>
  );
}

/**
 * A secret that is shown this once: it is in no query, storage or address, and goes with the box. It
 * takes the focus, since it may open far from the button that made it, and nobody may miss it.
 */
export function SecretBox(props: {
  readonly what: string;
  readonly secret: string;
  readonly onDone: () => void;
}) {
  const box = useRef<HTMLElement>(null);
  useEffect(() => box.current?.focus(), []);
  return (
    <section className="note warn" aria-label={props.what} ref={box} tabIndex={-1}>
      <p>
        <strong>{props.what}</strong>: copy it now. It is shown this once and cannot be read again.
      </p>
      <CopyLine text={props.secret} what={props.what} />
      <button type="button" onClick={props.onDone}>
        I have copied it
      </button>
    </section>
  );
}
