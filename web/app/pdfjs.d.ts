// The same as pdfjs-dist itself, in fewer bytes.
declare module 'pdfjs-dist/build/pdf.min.mjs' {
  export * from 'pdfjs-dist';
}
