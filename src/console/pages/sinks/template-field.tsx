/** A Jsonnet template with completion; a plain field where the editor cannot be loaded. */
import { Component, lazy, type ReactNode, Suspense } from "react";
import { TextArea } from "../../parts/field.tsx";
import { Loading } from "../../parts/note.tsx";
import { completeTemplate } from "./jsonnet-completion.ts";

const load = () => import("../../parts/code-editor.tsx");
const CodeEditor = lazy(load);

/** Asks for the editor before it is needed. What fails now is asked for again. */
export function preloadEditor(): void {
  void load().catch(() => undefined);
}

/** The field. */
export function TemplateField(props: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly paths: readonly string[];
}) {
  const { label, value, onChange, paths } = props;
  // Nothing can be typed before the editor is there: what is typed must not lose its field.
  return (
    <Otherwise plain={<TextArea label={label} isCode rows={3} value={value} onChange={onChange} />}>
      <Suspense fallback={<Loading what="Loading the editor" />}>
        <div className="field">
          <span className="label">{label}</span>
          <CodeEditor
            label={label}
            value={value}
            onChange={onChange}
            complete={(text) => completeTemplate(text, paths)}
          />
        </div>
      </Suspense>
    </Otherwise>
  );
}

/** Shows the plain field when the editor cannot be loaded, as while the server restarts. */
class Otherwise extends Component<
  { readonly plain: ReactNode; readonly children: ReactNode },
  { isBroken: boolean }
> {
  override state = { isBroken: false };

  static getDerivedStateFromError() {
    return { isBroken: true };
  }

  override render() {
    return this.state.isBroken ? this.props.plain : this.props.children;
  }
}
