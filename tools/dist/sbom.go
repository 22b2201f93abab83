package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// notice is the project's own notice with the licences of all parts of a program; parts with the same texts share them.
func notice(own []byte, parts []component) []byte {
	out := bytes.NewBuffer(own)
	out.WriteString("\nWhat this program contains, with its licences:\n\n")
	var order []string
	users := map[string][]string{}
	for _, c := range parts {
		line := strings.TrimRight(fmt.Sprintf("  %s %s  %s", c.name, c.version, c.licence), " ")
		if c.kind == "cargo" {
			line += "  (in wgpu-native; licence as in the crate)"
		}
		fmt.Fprintln(out, line)
		text := strings.TrimSpace(strings.Join(c.texts, "\n\n"))
		if text == "" {
			continue
		}
		if users[text] == nil {
			order = append(order, text)
		}
		users[text] = append(users[text], c.name)
	}
	out.WriteString("\nwgpu-native and Rust's standard library may be used under the Apache License, Version 2.0, whose text is in LICENSE.\n")
	for _, text := range order {
		fmt.Fprintf(out, "\n%s\n%s:\n\n%s\n", strings.Repeat("-", 80), strings.Join(users[text], ", "), text)
	}
	return out.Bytes()
}

// The part of SPDX 2.3 that is written.
type (
	spdxDocument struct {
		SpdxVersion       string             `json:"spdxVersion"`
		DataLicense       string             `json:"dataLicense"`
		SPDXID            string             `json:"SPDXID"`
		Name              string             `json:"name"`
		DocumentNamespace string             `json:"documentNamespace"`
		CreationInfo      spdxCreation       `json:"creationInfo"`
		Packages          []spdxPackage      `json:"packages"`
		Relationships     []spdxRelationship `json:"relationships"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		SPDXID           string         `json:"SPDXID"`
		Name             string         `json:"name"`
		VersionInfo      string         `json:"versionInfo,omitempty"`
		PackageFileName  string         `json:"packageFileName,omitempty"`
		DownloadLocation string         `json:"downloadLocation"`
		FilesAnalyzed    bool           `json:"filesAnalyzed"`
		LicenseConcluded string         `json:"licenseConcluded"`
		LicenseDeclared  string         `json:"licenseDeclared"`
		CopyrightText    string         `json:"copyrightText"`
		Checksums        []spdxChecksum `json:"checksums,omitempty"`
		ExternalRefs     []spdxRef      `json:"externalRefs,omitempty"`
	}
	spdxChecksum struct {
		Algorithm     string `json:"algorithm"`
		ChecksumValue string `json:"checksumValue"`
	}
	spdxRef struct {
		ReferenceCategory string `json:"referenceCategory"`
		ReferenceType     string `json:"referenceType"`
		ReferenceLocator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		SpdxElementID      string `json:"spdxElementId"`
		RelationshipType   string `json:"relationshipType"`
		RelatedSpdxElement string `json:"relatedSpdxElement"`
	}
)

const unasserted = "NOASSERTION" // SPDX's word for what is not told

// sbom lists an archive and its parts.
func sbom(b *build, version string, parts []component, created time.Time) spdxDocument {
	const root = "SPDXRef-gossamer"
	doc := spdxDocument{
		SpdxVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", Name: b.Folder,
		DocumentNamespace: "https://spdx.org/spdxdocs/" + b.Folder + "-" + b.SHA256,
		CreationInfo:      spdxCreation{created.Format(time.RFC3339), []string{"Tool: gossamer-dist-" + version}},
		Packages: []spdxPackage{{SPDXID: root, Name: "gossamer", VersionInfo: version, PackageFileName: b.Archive, DownloadLocation: unasserted,
			LicenseConcluded: unasserted, LicenseDeclared: "Apache-2.0", CopyrightText: unasserted, Checksums: []spdxChecksum{{"SHA256", b.SHA256}}}},
		Relationships: []spdxRelationship{{"SPDXRef-DOCUMENT", "DESCRIBES", root}},
	}
	for i, c := range parts {
		id := fmt.Sprintf("SPDXRef-part-%d", i+1)
		p := spdxPackage{SPDXID: id, Name: c.name, VersionInfo: c.version, DownloadLocation: unasserted, LicenseConcluded: unasserted,
			LicenseDeclared: cmp.Or(c.licence, unasserted), CopyrightText: unasserted}
		if c.kind != "generic" {
			p.ExternalRefs = []spdxRef{{"PACKAGE-MANAGER", "purl", c.purl()}}
		}
		doc.Packages = append(doc.Packages, p)
		doc.Relationships = append(doc.Relationships, spdxRelationship{root, "CONTAINS", id})
	}
	return doc
}

// writeSBOM writes the SBOM beside the archive.
func (r *release) writeSBOM(b *build, parts []component) error {
	text, err := json.MarshalIndent(sbom(b, r.Version, parts, r.time), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, b.Folder+".spdx.json"), append(text, '\n'), 0o644)
}
