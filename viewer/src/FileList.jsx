import { useEffect, useState } from 'react';

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

function readable(bytes) {
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${UNITS[unit]}`;
}

async function fetchFiles(endpoints, signal) {
  const response = await fetch(`${endpoints}/files`, { signal });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(answer.message);
  }
  return answer;
}

export default function FileList({ endpoints }) {
  const [listing, setListing] = useState();
  const [error, setError] = useState();
  const [filter, setFilter] = useState('');

  useEffect(() => {
    const controller = new AbortController();
    fetchFiles(endpoints, controller.signal).then(setListing, (e) => {
      if (e.name !== 'AbortError') {
        setError(e.message);
      }
    });
    return () => controller.abort();
  }, [endpoints]);

  if (error !== undefined) {
    return <p className="note" role="alert">{`The files cannot be listed: ${error}`}</p>;
  }
  if (listing === undefined) {
    return <p className="note">Looking for files ...</p>;
  }

  const wanted = filter.trim().toLowerCase();
  const files = listing.files.filter((file) => file.path.toLowerCase().includes(wanted));
  return (
    <main className="files">
      <h1>HDF5 files</h1>
      <input
        type="search"
        aria-label="Filter by name"
        placeholder="Filter by name"
        value={filter}
        onChange={(event) => setFilter(event.target.value)}
      />
      {listing.files.length === 0 && <p className="note">There are no HDF5 files in this folder.</p>}
      {listing.truncated && <p className="note">There are more files than can be listed.</p>}
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Size</th>
            <th scope="col">Modified</th>
          </tr>
        </thead>
        <tbody>
          {files.map((file) => (
            <tr key={file.path}>
              <td>
                <a href={`?${new URLSearchParams({ file: file.path })}`}>{file.path}</a>
              </td>
              <td>{readable(file.size)}</td>
              <td>{new Date(file.modified * 1000).toLocaleString()}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </main>
  );
}
