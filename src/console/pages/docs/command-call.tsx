/** A call that takes many messages: a browser cannot send them while it reads answers, so it is a command. */
import type { DescMethod } from "@bufbuild/protobuf";
import { useState } from "react";
import { CodeBlock } from "../../parts/copy.tsx";
import { TextArea } from "../../parts/field.tsx";
import { Note } from "../../parts/note.tsx";
import { bufStreamOf, messageOf } from "./call-request.ts";

/** The messages, and the command that sends them. */
export function CommandCall({ method }: { readonly method: DescMethod }) {
  const [messages, setMessages] = useState(() => {
    const one = JSON.stringify(messageOf(method.input));
    return `${one}\n${one}`;
  });
  return (
    <section className="stack" aria-label="Try it">
      <Note>
        It takes many messages over one call, which a browser cannot send while it reads the
        answers. buf can, and gets the schema from the server.
      </Note>
      <TextArea
        label="Messages"
        hint="JSON, one after the other. Fields that are left out have their defaults."
        isCode
        rows={6}
        value={messages}
        onChange={setMessages}
      />
      <CodeBlock what="the command" text={bufStreamOf(method, messages)} />
    </section>
  );
}
