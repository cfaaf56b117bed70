// Writes what a published service is made of as CycloneDX 1.6 JSON, from the lists that .NET itself keeps: *.deps.json (what is there) and
// obj/project.assets.json (the hashes of the packages). No tool that does this restores from NuGet without a licence or a download of its own.
// Usage: node bill-of-materials.js PUBLISHED_FOLDER ASSETS_FILE > bom.json
'use strict';
const fs = require('fs');
const path = require('path');

const [published, assetsFile] = process.argv.slice(2);
const deps = JSON.parse(fs.readFileSync(path.join(published, 'SuspiciousSignin.Api.deps.json'), 'utf8'));
const assets = JSON.parse(fs.readFileSync(assetsFile, 'utf8'));
const target = deps.targets[deps.runtimeTarget.name];

const refOf = (name, version) => `pkg:nuget/${name}@${version}`;
const components = Object.entries(deps.libraries).map(([key, library]) => {
    const [name, version] = key.split('/');
    const sha512 = library.type === 'package' ? (assets.libraries[key]?.sha512 ?? library.sha512?.replace(/^sha512-/, '')) : undefined;
    return {
        type: 'library',
        'bom-ref': refOf(name, version),
        name,
        version,
        purl: library.type === 'package' ? refOf(name, version) : undefined,
        hashes: sha512 ? [{ alg: 'SHA-512', content: Buffer.from(sha512, 'base64').toString('hex') }] : undefined,
    };
}).sort((a, b) => a['bom-ref'] < b['bom-ref'] ? -1 : 1);
const root = components.find(component => component.name === 'SuspiciousSignin.Api');
const frameworks = [].concat(JSON.parse(fs.readFileSync(path.join(published, 'SuspiciousSignin.Api.runtimeconfig.json'), 'utf8')).runtimeOptions.frameworks ?? [])
    .map(framework => ({ type: 'framework', 'bom-ref': `framework:${framework.name}`, name: framework.name, version: framework.version, description: 'The shared framework that the service runs on; the installed patch decides.' }));
const dependencies = Object.entries(target).map(([key, library]) => ({
    ref: refOf(...key.split('/')),
    dependsOn: Object.entries(library.dependencies ?? {}).filter(([name, version]) => deps.libraries[`${name}/${version}`]).map(([name, version]) => refOf(name, version)).sort(),
})).sort((a, b) => a.ref < b.ref ? -1 : 1);

const withoutHash = components.filter(component => component.purl && !component.hashes);
if (components.length < 2 || withoutHash.length > 0) {
    console.error(`The list of packages is not whole: ${components.length} libraries, without hash: ${withoutHash.map(component => component.name).join(', ')}`);
    process.exit(1);
}

process.stdout.write(JSON.stringify({
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { ...root, type: 'application' } },
    components: [...components.filter(component => component !== root), ...frameworks],
    dependencies,
}, undefined, 2) + '\n');
