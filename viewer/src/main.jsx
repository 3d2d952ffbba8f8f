import '@h5web/app/styles.css';
import './style.css';

import { App, H5GroveProvider, enableBigIntSerialization } from '@h5web/app';
import { createRoot } from 'react-dom/client';

import FileList from './FileList.jsx';

enableBigIntSerialization();

// The page lies at view/ below the endpoints.
const endpoints = new URL('..', window.location.href).href.replace(/\/$/, '');
const query = new URLSearchParams(window.location.search);
const file = query.get('file');

function Viewer() {
  document.title = file;
  return (
    <div className="viewer">
      <nav className="bar">
        <a href="?">All files</a>
        <span title={file}>{file}</span>
      </nav>
      <div className="content">
        <H5GroveProvider url={endpoints} filepath={file}>
          <App initialPath={query.get('path') ?? '/'} propagateErrors={false} />
        </H5GroveProvider>
      </div>
    </div>
  );
}

createRoot(document.getElementById('root')).render(file ? <Viewer /> : <FileList endpoints={endpoints} />);
