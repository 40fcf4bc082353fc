/** A question that must be answered before anything else: the browser's own modal dialog. */
import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import { createPortal } from "react-dom";

/** A modal dialog: it traps the focus, closes on Escape and gives the focus back. */
export function Dialog(props: {
  readonly title: string;
  /** For what is read, not filled in. */
  readonly isWide?: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Before the dialog leaves the page: only one that is closed within it gives the focus back.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  // Forms may not be nested: a dialog stands beside the page, wherever it is opened.
  return createPortal(
    <dialog
      ref={dialog}
      className={props.isWide ? "wide" : undefined}
      aria-labelledby={id}
      onClose={props.onClose}
    >
      <h2 id={id}>{props.title}</h2>
      {props.children}
    </dialog>,
    document.body,
  );
}
