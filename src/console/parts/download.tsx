/** What the API gives, as a file on the reader's disk. */
import { ActionButton } from "./form.tsx";

/** How long the browser may take to begin with the file before its address goes. */
const KEPT_MS = 60_000;

/** A button that gathers the text and saves it. */
export function DownloadButton(props: {
  readonly label: string;
  /** Name of the file. */
  readonly file: string;
  /** Media type of the file. */
  readonly type: string;
  readonly read: () => Promise<string>;
}) {
  const { label, file, type, read } = props;
  return (
    <ActionButton
      label={label}
      call={async () => {
        const address = URL.createObjectURL(new Blob([await read()], { type }));
        const link = document.createElement("a");
        link.href = address;
        link.download = file;
        link.click();
        setTimeout(() => URL.revokeObjectURL(address), KEPT_MS);
      }}
    />
  );
}
