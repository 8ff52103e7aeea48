// Text as it is: JSON, commands, configuration; with a button that copies it.
import CopyToClipboard from '@cloudscape-design/components/copy-to-clipboard'

export function Code({ text, label }: { text: string; label: string }) {
  return (
    <div className="code">
      <div className="code-copy">
        <CopyToClipboard textToCopy={text} copyButtonAriaLabel={`Copy ${label}`} copySuccessText="Copied" copyErrorText="Not copied" variant="icon" />
      </div>
      <pre tabIndex={0} aria-label={label}>
        {text}
      </pre>
    </div>
  )
}
