/** What every call of the reference is made with. */
import { TextArea, TextField } from "../../parts/field.tsx";

/** The request and who makes it; the token stays in the component that holds it. */
export function CallFields(props: {
  readonly body: string;
  readonly onBody: (body: string) => void;
  readonly token: string;
  readonly onToken: (token: string) => void;
}) {
  return (
    <>
      <TextArea
        label="Request"
        hint="JSON. Fields that are left out have their defaults."
        isCode
        rows={8}
        value={props.body}
        onChange={props.onBody}
      />
      <TextField
        label="Access token"
        optional
        type="password"
        hint="Without one the call is made in your session."
        value={props.token}
        onChange={props.onToken}
      />
    </>
  );
}
