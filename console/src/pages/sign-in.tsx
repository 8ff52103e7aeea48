// The way in: a one-time link (#code=…), or keys typed in.
import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Form from '@cloudscape-design/components/form'
import FormField from '@cloudscape-design/components/form-field'
import Header from '@cloudscape-design/components/header'
import Input from '@cloudscape-design/components/input'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { useEffect, useRef, useState } from 'react'

import { Loading } from '../parts/loading'
import { useTitle } from '../parts/page'
import { useMode } from '../parts/theme'
import { signIn, signInWithCode } from '../session'

function takeCode(): string | null {
  const code = new URLSearchParams(window.location.hash.slice(1)).get('code')
  if (code) window.history.replaceState(null, '', window.location.pathname)
  return code
}

async function checkKeys(accessKeyId: string, secretAccessKey: string, region: string) {
  const client = new STSClient({
    endpoint: window.location.origin,
    region,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
  })
  const identity = await client.send(new GetCallerIdentityCommand({}))
  signIn({ accessKeyId, secretAccessKey, region, account: identity.Account ?? '' })
}

export function SignIn() {
  useMode()
  useTitle('Sign in')
  const code = useRef(takeCode())
  const [busy, setBusy] = useState(code.current !== null)
  const [error, setError] = useState<string>()
  const [keyId, setKeyId] = useState('')
  const [secret, setSecret] = useState('')
  const [region, setRegion] = useState('us-east-1')

  useEffect(() => {
    const taken = code.current
    code.current = null
    if (!taken) return
    signInWithCode(taken).catch((e: Error) => {
      setError(e.message)
      setBusy(false)
    })
  }, [])

  if (busy) return <Loading />
  const submit = () => {
    setBusy(true)
    checkKeys(keyId.trim(), secret.trim(), region.trim()).catch((e: Error) => {
      setError(e.message)
      setBusy(false)
    })
  }
  return (
    <Box margin={{ horizontal: 'xxxl', top: 'xxxl' }}>
      <main>
        <form
          onSubmit={event => {
            event.preventDefault()
            submit()
          }}
        >
          <Form actions={<Button variant="primary" formAction="submit">Sign in</Button>}>
            <Container header={<Header variant="h1" description="gantry console prints a link that signs you in; or use an access key (gantry env).">Sign in to Gantry</Header>}>
              <SpaceBetween size="m">
                {error && <Alert type="error">{error}</Alert>}
                <FormField label="Access key ID">
                  <Input value={keyId} onChange={e => setKeyId(e.detail.value)} autoComplete={false} autoFocus />
                </FormField>
                <FormField label="Secret access key">
                  <Input type="password" value={secret} onChange={e => setSecret(e.detail.value)} autoComplete={false} />
                </FormField>
                <FormField label="Region">
                  <Input value={region} onChange={e => setRegion(e.detail.value)} />
                </FormField>
              </SpaceBetween>
            </Container>
          </Form>
        </form>
      </main>
    </Box>
  )
}
