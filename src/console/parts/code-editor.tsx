/**
 * An editor with completion and undo, in a tree of its own: there its styles are sheets that a script
 * made, which the content security policy of the page allows, and not elements, which it refuses.
 */
import { autocompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { useEffect, useRef } from "react";

/** What is offered behind a text: how much of its end is replaced, and by what. */
export type Complete = (text: string) =>
  | {
      readonly typed: number;
      readonly options: readonly { label: string; apply?: string; detail: string }[];
    }
  | undefined;

/** The editor. Tab leaves it, as it leaves every other field. */
export default function CodeEditor(props: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly complete: Complete;
}) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
    view.current = new EditorView({
      parent: root,
      root,
      state: EditorState.create({
        doc: latest.current.value,
        extensions: [
          ...editing(latest.current.label),
          completing((text) => latest.current.complete(text)),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    return () => view.current?.destroy();
  }, []);
  useEffect(() => {
    const editor = view.current;
    const now = editor?.state.doc.toString();
    if (!editor || now === props.value) return;
    editor.dispatch({ changes: { from: 0, to: now?.length ?? 0, insert: props.value } });
  }, [props.value]);
  return <div className="editor" ref={host} />;
}

function editing(label: string): Extension[] {
  return [
    history(),
    keymap.of([...completionKeymap, ...historyKeymap, ...defaultKeymap]),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
    EditorView.theme({
      "&": { color: "var(--text)", backgroundColor: "var(--card)" },
      ".cm-scroller": { font: "0.875rem / 1.5 var(--mono)", minHeight: "3rem" },
      ".cm-content": { caretColor: "var(--text)" },
      ".cm-tooltip": { color: "var(--text)", backgroundColor: "var(--card)" },
      ".cm-tooltip-autocomplete ul li[aria-selected]": {
        color: "var(--on-accent)",
        backgroundColor: "var(--accent)",
      },
    }),
  ];
}

function completing(complete: Complete): Extension {
  return autocompletion({
    override: [
      (context) => {
        const found = complete(context.state.sliceDoc(0, context.pos));
        if (
          !found ||
          (found.typed === 0 && !context.explicit && !isOpened(context.state, context.pos))
        )
          return null;
        return { from: context.pos - found.typed, options: [...found.options], filter: true };
      },
    ],
  });
}

/** Whether a name or a path was just begun, where one wants to see what there is. */
function isOpened(state: EditorState, at: number): boolean {
  return /(\bstd\.|\("|\()$/.test(state.sliceDoc(Math.max(0, at - 8), at));
}
