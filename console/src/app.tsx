import { lazy, Suspense } from 'react'
import { BrowserRouter, Navigate, Route, Routes } from 'react-router-dom'

import { Loading } from './parts/loading'
import { Shell } from './parts/shell'
import { SignIn } from './pages/sign-in'
import { useSession } from './session'

const Clusters = lazy(() => import('./pages/clusters'))

export function App() {
  const session = useSession()
  if (!session) return <SignIn />
  return (
    <BrowserRouter basename="/console">
      <Shell>
        <Suspense fallback={<Loading />}>
          <Routes>
            <Route path="/" element={<Navigate to="/clusters" replace />} />
            <Route path="/clusters" element={<Clusters />} />
          </Routes>
        </Suspense>
      </Shell>
    </BrowserRouter>
  )
}
